"""A BentoML service with one worker."""

import os
import sys

import bentoml
import redis.asyncio as redis

sys.path.insert(0, os.environ["WORK"])
import work


@bentoml.service(workers=1, traffic={"timeout": 10, "max_concurrency": 2048})
class Flights:
    def __init__(self) -> None:
        self._model = work.session()
        self._redis = redis.Redis.from_url(work.SPEC["redis"], max_connections=512)

    @bentoml.api
    async def predict(
        self,
        id: str,
        carrier: str,
        flight: str,
        tailnum: str,
        origin: str,
        dest: str,
        distance: float,
        scheduled: int,
        at: int,
    ) -> dict:
        request = {
            "carrier": carrier,
            "flight": flight,
            "tailnum": tailnum,
            "origin": origin,
            "dest": dest,
            "distance": distance,
            "scheduled": scheduled,
        }
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in work.keys(request):
                pipe.hgetall(key)
            found = await pipe.execute()
        return {"id": id, "probability": work.predict(self._model, request, found)}
