local http_headers = require "http.headers"
local http_server = require "http.server"
local http_tls = require "http.tls"
local websocket = require "http.websocket"
local pkey = require "openssl.pkey"
local x509 = require "openssl.x509"
local store = require "openssl.x509.store"

local function contents(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

-- Returns whether a Close frame came.
local function echo(ws, header)
  while true do
    local data, kind = ws:receive()
    if not data then
      return ws.got_close_code ~= nil or ws.got_close_message ~= nil
    elseif kind == "text" and data == "!close" then
      ws:close(4001, "bye")
      return true
    elseif kind == "text" and data == "!ping" then
      assert(ws:send_ping("interop"))
    elseif kind == "text" and data == "!header" then
      assert(ws:send(header))
    elseif kind == "text" and data == "!fragments" then
      assert(ws:send_frame({ FIN = false, MASK = ws.type == "client", opcode = 1, data = "one " }))
      assert(ws:send_frame({ FIN = false, MASK = ws.type == "client", opcode = 0, data = "two " }))
      assert(ws:send_frame({ FIN = true, MASK = ws.type == "client", opcode = 0, data = "three" }))
    else
      assert(ws:send(data, kind))
    end
  end
end

local function answer(_, stream)
  local request = assert(stream:get_headers())
  if request:get(":path") == "/refuse" then
    local refusal = http_headers.new()
    refusal:append(":status", "403")
    assert(stream:write_headers(refusal, false))
    assert(stream:write_body_from_string("no entry"))
    return
  end
  local ws = assert(websocket.new_from_stream(stream, request))
  assert(ws:accept({ protocols = { "chat" } }))
  echo(ws, request:get("x-interop"))
end

local role, place = ...
if role == "server" then
  local options = {
    host = "127.0.0.1",
    port = tonumber(place),
    tls = false,
    version = 1.1,
    onstream = answer,
    onerror = function(_, _, _, message) io.stderr:write(tostring(message), "\n") end,
  }
  local cert = os.getenv("CERT")
  if cert then
    options.tls = true
    options.ctx = http_tls.new_server_context()
    options.ctx:setCertificate(x509.new(contents(cert)))
    options.ctx:setPrivateKey(pkey.new(contents(os.getenv("KEY"))))
  end
  local server = assert(http_server.listen(options))
  assert(server:loop())
else
  local protocol = os.getenv("SUBPROTOCOL")
  local ws = websocket.new_from_uri(place, protocol and { protocol })
  if os.getenv("HEADER") then
    ws.request.headers:append("x-interop", os.getenv("HEADER"))
  end
  if os.getenv("CA") then
    local context = http_tls.new_client_context()
    local roots = store.new()
    roots:add(x509.new(contents(os.getenv("CA"))))
    context:setStore(roots)
    ws.request.ctx = context
  end
  assert(ws:connect())
  os.exit(echo(ws) and 0 or 1)
end
