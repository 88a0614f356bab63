// The Go peer: what one writes in an afternoon with net/http and franz-go, and honestly: it verifies, and it awaits acks=all.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type receiver struct {
	client *kgo.Client
	secret []byte
}

type push struct {
	Repository *struct {
		ID uint64 `json:"id"`
	} `json:"repository"`
}

func main() {
	broker := flag.String("broker", "", "where Kafka is")
	topic := flag.String("topic", "", "where records go")
	secret := flag.String("secret", "", "what signs")
	readyFile := flag.String("ready-file", "", "takes the address once it serves")
	flag.Int("workers", 1, "not looked at: Go takes as many threads as there are cores")
	flag.Parse()
	// acks=all and idempotent are franz-go's defaults; its linger of 10 ms and its compression are not what the other peers do.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*broker),
		kgo.DefaultProduceTopic(*topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ready := fmt.Sprintf(`{"ingest":"http://%s"}`, listener.Addr())
	if err := os.WriteFile(*readyFile, []byte(ready), 0o644); err != nil {
		log.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.Handle("POST /in/github", &receiver{client, []byte(*secret)})
	server := &http.Server{Handler: routes}
	go func() {
		terminate := make(chan os.Signal, 1)
		signal.Notify(terminate, syscall.SIGTERM)
		<-terminate
		patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(patience)
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !r.verified(request.Header.Get("X-Hub-Signature-256"), body) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	delivery := request.Header.Get("X-GitHub-Delivery")
	var push push
	if err := json.Unmarshal(body, &push); err != nil || push.Repository == nil || delivery == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	record := &kgo.Record{
		Key:     strconv.AppendUint(nil, push.Repository.ID, 10),
		Value:   body,
		Headers: []kgo.RecordHeader{{Key: "delivery", Value: []byte(delivery)}},
	}
	if err := r.client.ProduceSync(request.Context(), record).FirstErr(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (r *receiver) verified(given string, body []byte) bool {
	text, found := strings.CutPrefix(given, "sha256=")
	signature, err := hex.DecodeString(text)
	if !found || err != nil {
		return false
	}
	mac := hmac.New(sha256.New, r.secret)
	mac.Write(body)
	return hmac.Equal(signature, mac.Sum(nil))
}
