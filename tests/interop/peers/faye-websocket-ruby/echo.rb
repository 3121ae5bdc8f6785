require 'eventmachine'
require 'faye/websocket'

OPTIONS = { max_length: 32 << 20 }

def echo(ws, header = '')
  ws.on :message do |event|
    case event.data
    when '!close' then ws.close(4001, 'bye')
    when '!ping' then ws.ping('interop')
    when '!header' then ws.send(header)
    else ws.send(event.data)
    end
  end
end

def client(url)
  names = [ENV['SUBPROTOCOL']].compact
  headers = ENV['HEADER'] ? { 'X-Interop' => ENV['HEADER'] } : {}
  EM.run do
    ws = Faye::WebSocket::Client.new(url, names, OPTIONS.merge(headers: headers))
    ws.on :error do |event|
      status = event.message[/Unexpected response code: (\d+)/, 1]
      status ? puts("refused #{status}") : warn(event.message)
    end
    ws.on(:close) { |event| exit!(event.code == 1006 ? 1 : 0) }
    $stdout.sync = true
    echo(ws)
  end
end

def server(port)
  require 'rack'
  require 'thin'
  Faye::WebSocket.load_adapter('thin')
  app = lambda do |env|
    return [403, { 'Content-Type' => 'text/plain' }, ['no entry']] if env['PATH_INFO'] == '/refuse'

    ws = Faye::WebSocket.new(env, ['chat'], OPTIONS)
    echo(ws, env['HTTP_X_INTEROP'])
    ws.rack_response
  end
  Thin::Logging.silent = true
  Thin::Server.new('127.0.0.1', port, app, signals: false).start
end

role, place = ARGV
role == 'client' ? client(place) : server(Integer(place))
