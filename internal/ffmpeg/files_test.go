package ffmpeg_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.ArtifactDir(), "input")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func fileSize(t testing.TB, path string) int64 { return int64(len(readFile(t, path))) }

func fileSum(t testing.TB, path string) string {
	sum := sha256.Sum256(readFile(t, path))
	return hex.EncodeToString(sum[:])
}

// checkHeaders wants lengths and, in FLAC, a checksum in the headers: they are
// what is missing when a file was written through a pipe.
func checkHeaders(t testing.TB, wav, flac string, samples int64) {
	t.Helper()
	w := readFile(t, wav)
	if got, want := int(binary.LittleEndian.Uint32(w[4:])), len(w)-8; got != want {
		t.Errorf("WAV: RIFF has %d bytes, want %d", got, want)
	}
	data := bytes.Index(w, []byte("data"))
	if got, want := int64(binary.LittleEndian.Uint32(w[data+4:])), int64(len(w)-data-8); got != want || got < 4*(samples-1) {
		t.Errorf("WAV: data has %d bytes, want %d", got, want)
	}
	f := readFile(t, flac)
	info := f[8:42] // STREAMINFO comes first
	total := int64(binary.BigEndian.Uint64(info[10:]) & (1<<36 - 1))
	if total < samples-1 || total > samples+1 {
		t.Errorf("FLAC: %d samples in the header, want %d", total, samples)
	}
	if bytes.Equal(info[18:34], make([]byte, 16)) {
		t.Error("FLAC has no MD5")
	}
}

// running returns the processes whose arguments or directory are below dir, and
// their arguments.
func running(t testing.TB, dir string) map[int]string {
	t.Helper()
	found := map[int]string{}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range all {
		line, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		cwd, _ := os.Readlink(filepath.Join(process, "cwd"))
		if pid, err := strconv.Atoi(filepath.Base(process)); err == nil && (strings.Contains(string(line), dir) || strings.HasPrefix(cwd, dir)) {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}
