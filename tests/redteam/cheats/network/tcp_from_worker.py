"""The scoring process sends the text that it is given to a server."""

CAUGHT_BY = "sandbox: both processes run in one"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def answer(logits, inputs):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", WORLD["tcp"]), timeout=1) as server:
        server.sendall(inputs.cpu().numpy().tobytes())
    return logits
