"""A TCP proxy that adds a round trip, as a link of that length would: connecting takes one, too.

    delay.py SECONDS[/MBIT] LISTEN:TARGET...     ports of 127.0.0.1; MBIT a second in each direction
"""

import asyncio
import sys


async def serve(delay, rate, listen, target):
    async def accept(reader, writer):
        loop = asyncio.get_running_loop()
        # A handshake takes the client one round trip, and the host one and a half.
        opened = loop.time() + delay

        async def carry(source, sink, not_before):
            queue = asyncio.Queue(64)

            async def deliver():
                free = 0  # when the link has transmitted the earlier data
                while True:
                    due, data = await queue.get()
                    free = max(free, due) + len(data) / rate
                    await asyncio.sleep(free - loop.time())
                    if not data:
                        break
                    sink.write(data)
                    await sink.drain()
                if sink.can_write_eof():
                    sink.write_eof()

            delivering = asyncio.create_task(deliver())
            try:
                while data := await source.read(1 << 16):
                    await queue.put((max(not_before, loop.time()) + delay / 2, data))
            except ConnectionError:
                pass
            await queue.put((max(not_before, loop.time()) + delay / 2, b""))
            await delivering

        await asyncio.sleep(delay * 1.5)
        there, back = await asyncio.open_connection("127.0.0.1", target)
        try:
            await asyncio.gather(carry(reader, back, opened), carry(there, writer, 0), return_exceptions=True)
        finally:
            back.close()
            writer.close()

    return await asyncio.start_server(accept, "127.0.0.1", listen)


async def main():
    delay, _, mbit = sys.argv[1].partition("/")
    delay, rate = float(delay), float(mbit or "inf") * 1e6 / 8
    pairs = [pair.split(":") for pair in sys.argv[2:]]
    servers = [await serve(delay, rate, int(listen), int(target)) for listen, target in pairs]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
