import os
import sys

from websocket import ABNF, WebSocketBadStatusException, create_connection

options = {"http_no_proxy": ["*"]}
if "SUBPROTOCOL" in os.environ:
    options["subprotocols"] = [os.environ["SUBPROTOCOL"]]
if "HEADER" in os.environ:
    options["header"] = {"X-Interop": os.environ["HEADER"]}
if "CA" in os.environ:
    options["sslopt"] = {"ca_certs": os.environ["CA"]}

try:
    ws = create_connection(sys.argv[1], **options)
except WebSocketBadStatusException as refused:
    body = refused.resp_body or b""
    print("refused", refused.status_code, body.decode() if isinstance(body, bytes) else body)
    sys.exit()

while True:
    opcode, data = ws.recv_data()
    if opcode == ABNF.OPCODE_CLOSE:
        # It has been answered.
        ws.shutdown()
        break
    match data if opcode == ABNF.OPCODE_TEXT else None:
        case b"!close":
            ws.close(4001, b"bye")
            break
        case b"!ping":
            ws.ping("interop")
        case b"!fragments":
            ws.send_frame(ABNF.create_frame("one ", ABNF.OPCODE_TEXT, fin=0))
            ws.send_frame(ABNF.create_frame("two ", ABNF.OPCODE_CONT, fin=0))
            ws.send_frame(ABNF.create_frame("three", ABNF.OPCODE_CONT, fin=1))
        case _:
            ws.send(data, opcode)
