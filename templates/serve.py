"""uvicorn, but before it stops it reads the requests of the connections that it has accepted.

Its own stop closes them unread.
"""

import asyncio

import uvicorn

shutdown = uvicorn.Server.shutdown


async def read_and_shutdown(server, sockets=None):
    for listener in server.servers:
        listener.close()
    await asyncio.sleep(0.1)
    await shutdown(server, sockets)


uvicorn.Server.shutdown = read_and_shutdown

if __name__ == "__main__":  # the processes of --workers import this file
    uvicorn.main(prog_name="uvicorn")
