"""FastAPI + redis-py + ONNX Runtime, as people write it, with its pool warmed."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent.parent))
import work

model = work.session()
pool = redis.Redis.from_url(work.SPEC["redis"], max_connections=512)


@asynccontextmanager
async def lifespan(app: FastAPI):
    await asyncio.gather(*(pool.ping() for _ in range(64)))
    yield
    await pool.aclose()


app = FastAPI(lifespan=lifespan)


class Request(BaseModel):
    id: str
    carrier: str
    flight: str
    tailnum: str
    origin: str
    dest: str
    distance: float
    scheduled: int
    at: int


class Answer(BaseModel):
    id: str
    probability: float


@app.post("/predict")
async def predict(request: Request) -> Answer:
    fields = request.model_dump()
    async with pool.pipeline(transaction=False) as pipe:
        for key in work.keys(fields):
            pipe.hgetall(key)
        found = await pipe.execute()
    return Answer(id=request.id, probability=work.predict(model, fields, found))


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(os.environ["PORT"]), loop="uvloop", http="httptools", access_log=False
    )
