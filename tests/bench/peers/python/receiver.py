"""The Python peer: what one writes in an afternoon with FastAPI, uvicorn and aiokafka, and honestly: it verifies, and it awaits acks=all."""

import argparse
import hashlib
import hmac
import json
import os
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request, Response
from uvicorn.supervisors import Multiprocess

# Workers are processes of their own that import this file: they find their arguments here.
VARIABLE = "HOOKLOG_PEER_ARGUMENTS"


def parse() -> dict:
    parser = argparse.ArgumentParser()
    for name in ("--broker", "--topic", "--secret", "--ready-file"):
        parser.add_argument(name, required=True)
    parser.add_argument("--workers", type=int, default=1)
    return vars(parser.parse_args())


class Receiver:
    """Verifies, and answers when the brokers have the record."""

    def __init__(self, given: dict):
        self.given = given
        self.secret = given["secret"].encode()
        self.topic = given["topic"]
        self.producer: AIOKafkaProducer

    @asynccontextmanager
    async def life(self, _app: FastAPI):
        """Connects before the first request, and ends in order."""
        broker = self.given["broker"]
        self.producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=True, linger_ms=0)
        await self.producer.start()
        tell(self.given)
        yield
        await self.producer.stop()

    async def receive(self, request: Request) -> Response:
        """One webhook."""
        body = await request.body()
        if not self.verified(request.headers.get("x-hub-signature-256", ""), body):
            return Response(status_code=401)
        delivery = request.headers.get("x-github-delivery")
        try:
            repository = json.loads(body)["repository"]["id"]
        except (ValueError, KeyError, TypeError):
            return Response(status_code=400)
        if delivery is None:
            return Response(status_code=400)
        headers = [("delivery", delivery.encode())]
        try:
            key = str(repository).encode()
            await self.producer.send_and_wait(self.topic, value=body, key=key, headers=headers)
        except KafkaError:
            return Response(status_code=503)
        return Response(status_code=200)

    def verified(self, given: str, body: bytes) -> bool:
        """In constant time, over the body as it came."""
        expected = "sha256=" + hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(given.encode(), expected.encode())


def tell(given: dict) -> None:
    """The last worker that is ready tells where all of them serve."""
    ready = Path(given["ready-file"])
    Path(f"{ready}.{os.getpid()}").touch()
    if len(list(ready.parent.glob(f"{ready.name}.*"))) >= given["workers"]:
        ready.write_text(json.dumps({"ingest": given["url"]}))


def application() -> FastAPI:
    """What each worker serves."""
    receiver = Receiver(json.loads(os.environ[VARIABLE]))
    app = FastAPI(lifespan=receiver.life)
    app.add_api_route("/in/github", receiver.receive, methods=["POST"])
    return app


def main() -> None:
    """Listens, then serves here or in workers."""
    given = {name.replace("_", "-"): value for name, value in parse().items()}
    ready = Path(given["ready-file"])
    for stale in ready.parent.glob(f"{ready.name}.*"):
        stale.unlink()
    config = uvicorn.Config(
        "receiver:application", factory=True, host="127.0.0.1", port=0, loop="uvloop", http="httptools",
        log_level="warning", access_log=False, workers=given["workers"],
    )
    socket = config.bind_socket()
    given["url"] = f"http://127.0.0.1:{socket.getsockname()[1]}"
    os.environ[VARIABLE] = json.dumps(given)
    if given["workers"] > 1:
        Multiprocess(config, sockets=[socket]).run()
    else:
        uvicorn.Server(config).run(sockets=[socket])


if __name__ == "__main__":
    main()
