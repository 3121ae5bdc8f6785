use Mojolicious::Lite -signatures;
use Mojo::IOLoop;
use Mojo::Server::Daemon;
use Mojo::UserAgent;
use Mojo::Util qw(decode);
use Mojo::WebSocket qw(WS_CONTINUATION WS_PING WS_TEXT);

sub echo ($tx, $header = '') {
  $tx->max_websocket_size(32 << 20);
  # Not `text` and `binary`: both are told apart here.
  $tx->on(text => sub ($tx, $bytes) {
    return $tx->finish(4001, 'bye') if $bytes eq '!close';
    return $tx->send([1, 0, 0, 0, WS_PING, 'interop']) if $bytes eq '!ping';
    return $tx->send({text => $header}) if $bytes eq '!header';
    return $tx->send({text => $bytes}) if $bytes ne '!fragments';
    $tx->send([0, 0, 0, 0, WS_TEXT, 'one ']);
    $tx->send([0, 0, 0, 0, WS_CONTINUATION, 'two ']);
    $tx->send([1, 0, 0, 0, WS_CONTINUATION, 'three']);
  });
  $tx->on(binary => sub ($tx, $bytes) { $tx->send({binary => $bytes}) });
}

my ($role, $place) = @ARGV;

if ($role eq 'client') {
  $ENV{MOJO_INACTIVITY_TIMEOUT} = 0;
  my $ua = Mojo::UserAgent->new;
  $ua->ca($ENV{CA}) if $ENV{CA};
  my $headers = $ENV{HEADER} ? {'X-Interop' => $ENV{HEADER}} : {};
  my @protocols = $ENV{SUBPROTOCOL} ? [$ENV{SUBPROTOCOL}] : ();
  my $status = 1;
  $ua->websocket($place => $headers => @protocols => sub ($ua, $tx) {
    if (!$tx->is_websocket) {
      my $res = $tx->res;
      say 'refused ', $res->code, ' ', $res->body if $res->code;
      warn $tx->error->{message} unless $res->code;
      return Mojo::IOLoop->stop;
    }
    $tx->on(finish => sub ($tx, $code, $reason = undef) {
      $status = $code == 1006 ? 1 : 0;
      # The answer to a Close frame has not been written yet.
      Mojo::IOLoop->timer(0.2 => sub { Mojo::IOLoop->stop });
    });
    echo($tx);
  });
  Mojo::IOLoop->start;
  exit $status;
}

websocket '/' => sub ($c) {
  my $tx = $c->tx;
  $tx->with_protocols('chat');
  $tx->with_compression if $ENV{DEFLATE};
  $c->inactivity_timeout(0)->rendered(101);
  echo($tx, $c->req->headers->header('X-Interop'));
};
# A handshake for a path without a WebSocket route gets what this route answers.
websocket '/refuse' => sub ($c) { $c->render(text => 'no entry', status => 403) };

app->log->level('error');
my $listen = "http://127.0.0.1:$place";
$listen = "https://127.0.0.1:$place?cert=$ENV{CERT}&key=$ENV{KEY}" if $ENV{CERT};
Mojo::Server::Daemon->new(app => app, listen => [$listen], silent => 1)->run;
