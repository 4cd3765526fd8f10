"""A custom runtime of MLServer: the request as JSON text in a V2 inference request."""

import json
import os
import sys

import redis.asyncio as redis
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

sys.path.insert(0, os.environ["WORK"])
import numpy as np
import work


class Flights(MLModel):
    async def load(self) -> bool:
        self._model = work.session()
        self._redis = redis.Redis.from_url(work.SPEC["redis"], max_connections=512)
        await self._redis.ping()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        request = json.loads(StringCodec.decode_input(payload.inputs[0])[0])
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in work.keys(request):
                pipe.hgetall(key)
            found = await pipe.execute()
        probability = np.array([work.predict(self._model, request, found)])
        output = NumpyCodec.encode_output("probability", probability)
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=[output])
