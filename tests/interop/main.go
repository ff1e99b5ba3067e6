// Reads a ledger that Stoplog wrote with other people's code: golang.org/x/mod's signed notes and
// transparency log, and Tessera's fsck. It fails on the first thing that the two do not agree on.
//
// usage: interop DIR VKEY
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "interop: "+format+"\n", args...)
	os.Exit(1)
}

// The layout of x/mod's tiles differs from C2SP's in the name alone: tile/8/L/... and tile/L/...
type tiles struct{ dir string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func leaf(dir string, index, size int64) []byte {
	bundle := tlog.Tile{H: 8, L: -1, N: index / 256, W: 256}
	if rest := size - bundle.N*256; rest < 256 {
		bundle.W = int(rest)
	}
	path := strings.Replace(bundle.Path(), "tile/8/data/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		fail("bundle: %v", err)
	}
	for i := int64(0); ; i++ {
		n := int(binary.BigEndian.Uint16(data))
		if i == index%256 {
			return data[2 : 2+n]
		}
		data = data[2+n:]
	}
}

func sumdb(dir, vkey string) int64 {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		fail("verifier key: %v", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		fail("checkpoint: %v", err)
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		fail("checkpoint: %v", err)
	}
	var origin, root string
	var size int64
	if _, err := fmt.Sscanf(opened.Text, "%s\n%d\n%s\n", &origin, &size, &root); err != nil {
		fail("checkpoint text: %v", err)
	}
	hash, err := tlog.ParseHash(root)
	if err != nil {
		fail("root: %v", err)
	}
	tree := tlog.Tree{N: size, Hash: hash}
	reader := tlog.TileHashReader(tree, tiles{dir})
	for _, i := range []int64{0, 1, size / 3, size / 2, size - 2, size - 1} {
		proof, err := tlog.ProveRecord(size, i, reader)
		if err != nil {
			fail("proof of %d: %v", i, err)
		}
		if err := tlog.CheckRecord(proof, size, hash, i, tlog.RecordHash(leaf(dir, i, size))); err != nil {
			fail("record %d: %v", i, err)
		}
	}
	for _, old := range []int64{1, size / 2, size - 1} {
		oldHash, err := tlog.TreeHash(old, reader)
		if err != nil {
			fail("tree of %d: %v", old, err)
		}
		proof, err := tlog.ProveTree(size, old, reader)
		if err != nil {
			fail("growth from %d: %v", old, err)
		}
		if err := tlog.CheckTree(proof, size, hash, old, oldHash); err != nil {
			fail("growth from %d: %v", old, err)
		}
	}
	return size
}

func hashes(bundle []byte) ([][]byte, error) {
	parsed := api.EntryBundle{}
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, entry := range parsed.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return out, nil
}

func tessera(dir, vkey string) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		fail("verifier key: %v", err)
	}
	fetcher := client.FileFetcher{Root: dir}
	// With fewer workers fsck may wait for ever on a ledger that is not whole.
	check := fsck.New(verifier.Name(), verifier, fetcher, hashes, fsck.Opts{N: 8})
	if err := check.Check(context.Background()); err != nil {
		fail("fsck: %v", err)
	}
}

func main() {
	if len(os.Args) != 3 {
		fail("usage: interop DIR VKEY")
	}
	vkey := strings.TrimSpace(os.Args[2])
	if data, err := os.ReadFile(os.Args[2]); err == nil {
		vkey = string(bytes.TrimSpace(data))
	}
	size := sumdb(os.Args[1], vkey)
	tessera(os.Args[1], vkey)
	fmt.Printf("%d leaves agree with x/mod/sumdb and Tessera\n", size)
}
