// A witness made of other people's code: transparency-dev's, as its public network runs it. It follows one
// log, keeps its state in memory, and prints its verifier key and its address once it listens.
//
// usage: witness NAME LOG_VKEY
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"

	cosigned "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

func must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "witness: %v\n", err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 3 {
		must(fmt.Errorf("usage: witness NAME LOG_VKEY"))
	}
	secret, public, err := note.GenerateKey(rand.Reader, os.Args[1])
	must(err)
	signer, err := cosigned.NewSignerForCosignatureV1(secret)
	must(err)
	vkey, err := cosigned.VKeyToCosignatureV1(public)
	must(err)
	log, err := note.NewVerifier(os.Args[2])
	must(err)
	w, err := witness.New(context.Background(), witness.Opts{
		Persistence: inmemory.New(),
		Signers:     []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			return log, origin == log.Name(), nil
		},
	})
	must(err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(w).AddCheckpoint)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Printf("%s http://%s\n", vkey, listener.Addr())
	must(http.Serve(listener, mux))
}
