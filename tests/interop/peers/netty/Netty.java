import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.*;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.*;
import io.netty.handler.codec.http.*;
import io.netty.handler.codec.http.websocketx.*;
import io.netty.handler.codec.http.websocketx.extensions.*;
import io.netty.handler.codec.http.websocketx.extensions.compression.*;
import io.netty.handler.ssl.*;
import io.netty.util.CharsetUtil;
import java.io.File;
import java.net.URI;

class Netty {
    static final int LIMIT = 32 << 20;
    static final boolean DEFLATE = System.getenv("DEFLATE") != null;

    /** Echoes whole messages. The handler before it answers Pings. */
    static class Echo extends SimpleChannelInboundHandler<WebSocketFrame> {
        String header = "";

        @Override
        protected void channelRead0(ChannelHandlerContext context, WebSocketFrame frame) {
            if (frame instanceof CloseWebSocketFrame) {
                context.writeAndFlush(frame.retain()).addListener(ChannelFutureListener.CLOSE);
                return;
            }
            String text = frame instanceof TextWebSocketFrame ? ((TextWebSocketFrame) frame).text() : "";
            switch (text) {
                case "!close" -> context.writeAndFlush(new CloseWebSocketFrame(4001, "bye"));
                case "!ping" -> context.writeAndFlush(
                    new PingWebSocketFrame(Unpooled.copiedBuffer("interop", CharsetUtil.UTF_8)));
                case "!header" -> context.writeAndFlush(new TextWebSocketFrame(header));
                case "!fragments" -> {
                    context.write(new TextWebSocketFrame(false, 0, "one "));
                    context.write(new ContinuationWebSocketFrame(false, 0, "two "));
                    context.writeAndFlush(new ContinuationWebSocketFrame(true, 0, "three"));
                }
                default -> context.writeAndFlush(frame.retain());
            }
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable error) {
            // Its client reports a refusal as an exception with the status in its text.
            String message = String.valueOf(error.getMessage());
            if (message.matches("(?s)Invalid handshake response getStatus: \\d+.*")) {
                System.out.println("refused " + message.replaceAll("(?s).*?getStatus: (\\d+).*", "$1"));
            } else {
                error.printStackTrace();
            }
            context.close();
        }
    }

    /** Refuses what is to be refused, and keeps the header for later. */
    static class Requests extends SimpleChannelInboundHandler<FullHttpRequest> {
        final Echo echo;

        Requests(Echo echo) {
            this.echo = echo;
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
            if (request.uri().equals("/refuse")) {
                FullHttpResponse response = new DefaultFullHttpResponse(
                    HttpVersion.HTTP_1_1, HttpResponseStatus.FORBIDDEN,
                    Unpooled.copiedBuffer("no entry", CharsetUtil.UTF_8));
                HttpUtil.setContentLength(response, 8);
                context.writeAndFlush(response).addListener(ChannelFutureListener.CLOSE);
                return;
            }
            echo.header = request.headers().get("X-Interop", "");
            context.fireChannelRead(request.retain());
        }
    }

    static void server(int port) throws Exception {
        String cert = System.getenv("CERT");
        SslContext tls = cert == null ? null
            : SslContextBuilder.forServer(new File(cert), new File(System.getenv("KEY"))).build();
        NioEventLoopGroup group = new NioEventLoopGroup(2);
        ChannelInitializer<SocketChannel> initializer = new ChannelInitializer<>() {
            @Override
            protected void initChannel(SocketChannel channel) {
                ChannelPipeline pipeline = channel.pipeline();
                Echo echo = new Echo();
                if (tls != null) pipeline.addLast(tls.newHandler(channel.alloc()));
                pipeline.addLast(new HttpServerCodec(), new HttpObjectAggregator(65536));
                pipeline.addLast(new Requests(echo));
                if (DEFLATE) {
                    pipeline.addLast(new WebSocketServerExtensionHandler(
                        new PerMessageDeflateServerExtensionHandshaker(6, true, 15, true, true)));
                }
                pipeline.addLast(new WebSocketServerProtocolHandler("/", "chat", true, LIMIT));
                pipeline.addLast(new WebSocketFrameAggregator(LIMIT), echo);
            }
        };
        new ServerBootstrap().group(group).channel(NioServerSocketChannel.class)
            .childHandler(initializer).bind("127.0.0.1", port).sync().channel().closeFuture().sync();
    }

    static void client(URI uri) throws Exception {
        String ca = System.getenv("CA"), name = System.getenv("SUBPROTOCOL");
        SslContext tls =
            ca == null ? null : SslContextBuilder.forClient().trustManager(new File(ca)).build();
        HttpHeaders headers = new DefaultHttpHeaders();
        if (System.getenv("HEADER") != null) headers.set("X-Interop", System.getenv("HEADER"));
        WebSocketClientHandshaker handshaker = WebSocketClientHandshakerFactory.newHandshaker(
            uri, WebSocketVersion.V13, name, DEFLATE, headers, LIMIT);
        NioEventLoopGroup group = new NioEventLoopGroup(1);
        ChannelInitializer<SocketChannel> initializer = new ChannelInitializer<>() {
            @Override
            protected void initChannel(SocketChannel channel) {
                ChannelPipeline pipeline = channel.pipeline();
                if (tls != null) {
                    pipeline.addLast(tls.newHandler(channel.alloc(), "localhost", uri.getPort()));
                }
                pipeline.addLast(new HttpClientCodec(), new HttpObjectAggregator(65536));
                if (DEFLATE) {
                    pipeline.addLast(new WebSocketClientExtensionHandler(
                        new PerMessageDeflateClientExtensionHandshaker(6, true, 15, true, false)));
                }
                // Not `true`: it would end TCP without an answer to a Close frame (§5.5.1).
                pipeline.addLast(new WebSocketClientProtocolHandler(handshaker, false));
                pipeline.addLast(new WebSocketFrameAggregator(LIMIT), new Echo());
            }
        };
        new Bootstrap().group(group).channel(NioSocketChannel.class).handler(initializer)
            .connect("127.0.0.1", uri.getPort()).sync().channel().closeFuture().sync();
        System.exit(0);
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("client")) client(URI.create(arguments[1]));
        else server(Integer.parseInt(arguments[1]));
    }
}
