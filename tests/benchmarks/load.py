"""Requests to an app that come all the time, each on a connection of its own."""

import asyncio
import threading
import time

INTERVAL = 0.01


class Load:
    """Asks for a page a hundred times a second while a `with` block runs. A release that does not answer within 60 s
    has lost the request."""

    def __init__(self, port):
        self.port, self.over = port, threading.Event()
        self.sent, self.lost, self.longest = 0, 0, 0
        # The times of the responses.
        self.answered = []

    def __enter__(self):
        self.thread = threading.Thread(target=lambda: asyncio.run(self.ask_all()))
        self.thread.start()
        while not self.answered:
            time.sleep(INTERVAL)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    async def ask_all(self):
        loop, tasks = asyncio.get_running_loop(), set()
        began = loop.time()
        while not self.over.is_set():
            self.sent += 1
            task = asyncio.create_task(self.ask())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0, began + self.sent * INTERVAL - loop.time()))
        await asyncio.gather(*tasks)

    async def ask(self):
        began = time.perf_counter()
        try:
            async with asyncio.timeout(60):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"GET /no-such-page HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                answer = await reader.read()
                writer.close()
            answered = int(answer.split(None, 2)[1]) < 500
        except (OSError, TimeoutError, IndexError, ValueError):
            answered = False
        now = time.perf_counter()
        self.longest = max(self.longest, now - began)
        if answered:
            self.answered.append(now)
        else:
            self.lost += 1

    def silence(self):
        """The longest time in which nobody was answered."""
        times = sorted(self.answered)
        return max(after - before for before, after in zip(times, times[1:]))
