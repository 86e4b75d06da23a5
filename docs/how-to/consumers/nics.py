"""Keeps a table of NIC records in a JSON file, from Patchbay's log alone.

    pip install aio-pika
    python nics.py amqp://user:password@broker:5672/ nics.json

The file holds the table, the age of each vCenter's facts, and the offset to go on at. Table and offset are
saved together, so that a crash at any moment repeats events or none, and never skips one.
"""

import argparse
import asyncio
import datetime
import json
import logging
import os
import pathlib
import sys

import aio_pika

LOG = "patchbay.log"  # the stream of all events
KEEP_IDS = 2000  # a publisher that lost a confirmation repeats some hundred events at most


class Table:
    """NIC records by id, vCenters by id, and how far we have read."""

    def __init__(self, path, begin):
        self.path = path
        self.state = {"offset": None, "seen": [], "nics": {}, "vcenters": {}}
        if path.exists():
            self.state.update(json.loads(path.read_text()))
        self.begin = begin
        self.seen = dict.fromkeys(self.state["seen"])

    def start(self):
        """Where to read from: behind what is saved, or where we were told to begin."""
        offset = self.state["offset"]
        return self.begin if offset is None else offset + 1

    def no_gap_before(self, offset):
        """Offsets have no gaps: one means that we were away for longer than the log is kept."""
        if self.state["offset"] is not None and offset > self.state["offset"] + 1:
            sys.exit(
                f"the log begins at {offset}, we have up to {self.state['offset']}: begin with a new table"
            )

    def take(self, offset, routing_key, body):
        """Apply one entry of the stream."""
        if self.state["offset"] is not None and offset <= self.state["offset"]:
            return  # the broker starts with a whole chunk of entries: these we have
        self.state["offset"] = offset
        # By routing key: the broker lets nobody but Patchbay publish under these, whatever a body may claim.
        # Marks (AMQP type patchbay.log.end), which are no events, have another one.
        if not routing_key.startswith(("nic.", "vcenter.")):
            return
        event = json.loads(body)
        if event["id"] in self.seen or "replayed" in event:
            return  # said twice, or played again by an operator: the first time is what counts
        self.seen[event["id"]] = None
        if len(self.seen) > KEEP_IDS:
            del self.seen[next(iter(self.seen))]
        if routing_key.startswith("nic."):
            self.nic(event)
        else:
            self.vcenter(event)

    def nic(self, event):
        """Each event carries the whole record, and the log is in order: the last one is right."""
        nic = event["data"]["nic"]
        if event["type"] == "nic.released":
            self.state["nics"].pop(nic["id"], None)
        elif event["type"] in ("nic.created", "nic.updated"):
            self.state["nics"][nic["id"]] = nic

    def vcenter(self, event):
        """How old is what we know? Lost means: as old as the last heartbeat said. It takes nothing back."""
        data = event["data"]
        known = self.state["vcenters"].setdefault(data["vcenter"], {"order": [0, 0], "current_to": None})
        order = [data["epoch"], data["sequence"]]
        if order <= known["order"]:
            return
        known.update(order=order, name=data["name"], lost=event["type"] == "vcenter.lost")
        if event["type"] == "vcenter.heartbeat":
            known["current_to"] = data["current_to"]

    def save(self):
        """All or nothing: into a new file, which then takes the old one's place."""
        self.state["seen"] = list(self.seen)
        new = self.path.with_name(self.path.name + ".new")
        with new.open("w") as file:
            json.dump(self.state, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


async def follow(url, table):
    """Read from where the table ends, until the connection is lost."""
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)  # a stream wants a limit, and acknowledgements
        queue = await channel.get_queue(LOG, ensure=False)
        inbox = asyncio.Queue()
        await queue.consume(inbox.put, arguments={"x-stream-offset": table.start()})
        logging.info("reading %s from %s", LOG, table.start())
        lost = [asyncio.ensure_future(one.closed()) for one in (connection, channel)]
        while True:
            got = asyncio.ensure_future(inbox.get())
            await asyncio.wait([got, *lost], return_when="FIRST_COMPLETED")
            if not got.done():
                got.cancel()
                return
            message = got.result()
            table.no_gap_before(message.headers["x-stream-offset"])
            while True:
                table.take(message.headers["x-stream-offset"], message.routing_key or "", message.body)
                if inbox.empty():
                    break
                message = inbox.get_nowait()
            table.save()
            await message.ack(multiple=True)


async def main():
    parser = argparse.ArgumentParser(description="Keep a table of NIC records.")
    parser.add_argument("url")
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--begin", default="first", help="first, next, or a time like 2026-01-31T12:00:00Z")
    args = parser.parse_args()
    begin = args.begin
    if begin not in ("first", "next"):
        begin = datetime.datetime.fromisoformat(begin)
    table = Table(args.table, begin)
    pause = 0.5
    while True:
        try:
            await follow(args.url, table)
            pause = 0.5
        except (OSError, TimeoutError, aio_pika.exceptions.AMQPError) as error:
            logging.warning("no connection: %s", error)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(main())
