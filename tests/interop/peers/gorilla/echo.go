package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

var deflate = os.Getenv("DEFLATE") != ""

// echo returns the error that ends the connection.
func echo(conn *websocket.Conn, header string) error {
	soon := func() time.Time { return time.Now().Add(10 * time.Second) }
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		command := ""
		if kind == websocket.TextMessage {
			command = string(data)
		}
		switch command {
		case "!close":
			err = conn.WriteControl(
				websocket.CloseMessage, websocket.FormatCloseMessage(4001, "bye"), soon())
		case "!ping":
			err = conn.WriteControl(websocket.PingMessage, []byte("interop"), soon())
		case "!header":
			err = conn.WriteMessage(websocket.TextMessage, []byte(header))
		default:
			err = conn.WriteMessage(kind, data)
		}
		if err != nil {
			return err
		}
	}
}

func server(port string) error {
	upgrader := websocket.Upgrader{
		Subprotocols:      []string{"chat"},
		EnableCompression: deflate,
	}
	http.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no entry", http.StatusForbidden)
	})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		echo(conn, r.Header.Get("X-Interop"))
	})
	if cert := os.Getenv("CERT"); cert != "" {
		return http.ListenAndServeTLS("127.0.0.1:"+port, cert, os.Getenv("KEY"), nil)
	}
	return http.ListenAndServe("127.0.0.1:"+port, nil)
}

func client(url string) error {
	dialer := websocket.Dialer{EnableCompression: deflate}
	if name := os.Getenv("SUBPROTOCOL"); name != "" {
		dialer.Subprotocols = []string{name}
	}
	header := http.Header{}
	if value := os.Getenv("HEADER"); value != "" {
		header.Set("X-Interop", value)
	}
	if ca := os.Getenv("CA"); ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		dialer.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	conn, response, err := dialer.Dial(url, header)
	if err == websocket.ErrBadHandshake {
		body, _ := io.ReadAll(response.Body)
		fmt.Printf("refused %d %s\n", response.StatusCode, body)
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	err = echo(conn, "")
	if closed, ok := err.(*websocket.CloseError); ok && closed.Code != 1006 {
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
