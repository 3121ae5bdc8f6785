package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"nhooyr.io/websocket"
)

var ctx = context.Background()

func compression() websocket.CompressionMode {
	if os.Getenv("DEFLATE") != "" {
		return websocket.CompressionContextTakeover
	}
	return websocket.CompressionDisabled
}

// echo returns the error that ends the connection.
func echo(conn *websocket.Conn, header string) error {
	conn.SetReadLimit(32 << 20)
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		command := ""
		if kind == websocket.MessageText {
			command = string(data)
		}
		switch command {
		case "!close":
			return conn.Close(4001, "bye")
		case "!ping":
			// It waits for the Pong, which the next read takes.
			go conn.Ping(ctx)
		case "!header":
			err = conn.Write(ctx, kind, []byte(header))
		case "!fragments":
			err = fragments(conn)
		default:
			err = conn.Write(ctx, kind, data)
		}
		if err != nil {
			return err
		}
	}
}

func fragments(conn *websocket.Conn) error {
	w, err := conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for _, part := range []string{"one ", "two ", "three"} {
		if _, err := w.Write([]byte(part)); err != nil {
			return err
		}
	}
	return w.Close()
}

func server(port string) error {
	http.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no entry", http.StatusForbidden)
	})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols:    []string{"chat"},
			CompressionMode: compression(),
		})
		if err != nil {
			return
		}
		echo(conn, r.Header.Get("X-Interop"))
	})
	if cert := os.Getenv("CERT"); cert != "" {
		return http.ListenAndServeTLS("127.0.0.1:"+port, cert, os.Getenv("KEY"), nil)
	}
	return http.ListenAndServe("127.0.0.1:"+port, nil)
}

func client(url string) error {
	options := websocket.DialOptions{CompressionMode: compression(), HTTPHeader: http.Header{}}
	if name := os.Getenv("SUBPROTOCOL"); name != "" {
		options.Subprotocols = []string{name}
	}
	if value := os.Getenv("HEADER"); value != "" {
		options.HTTPHeader.Set("X-Interop", value)
	}
	if ca := os.Getenv("CA"); ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		options.HTTPClient = &http.Client{Transport: transport}
	}
	conn, response, err := websocket.Dial(ctx, url, &options)
	if err != nil && response != nil && response.StatusCode != 101 {
		body, _ := io.ReadAll(response.Body)
		fmt.Printf("refused %d %s\n", response.StatusCode, body)
		return nil
	}
	if err != nil {
		return err
	}
	err = echo(conn, "")
	if websocket.CloseStatus(err) != -1 {
		return nil
	}
	return err
}

func main() {
	run := map[string]func(string) error{"server": server, "client": client}[os.Args[1]]
	if err := run(os.Args[2]); err != nil {
		log.Fatal(err)
	}
}
