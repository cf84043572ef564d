package tune_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"etude/internal/tune"
)

func TestPieceIsMusicOfTheLengthItSays(t *testing.T) {
	var b bytes.Buffer
	if err := tune.Write(&b); err != nil {
		t.Fatal(err)
	}
	wav := b.Bytes()
	const frame = tune.Channels * tune.BitDepth / 8
	if got, want := len(wav), 44+tune.Frames()*frame; got != want {
		t.Fatalf("size = %d bytes, want %d", got, want)
	}
	if got, want := int(binary.LittleEndian.Uint32(wav[40:])), tune.Frames()*frame; got != want {
		t.Errorf("data chunk says %d bytes, want %d", got, want)
	}
	peak, sum := 0.0, 0.0
	for i := 44; i < len(wav); i += 3 {
		v := float64(int32(uint32(wav[i])<<8|uint32(wav[i+1])<<16|uint32(wav[i+2])<<24)) / (1 << 31)
		peak = max(peak, math.Abs(v))
		sum += v * v
	}
	rms := math.Sqrt(sum / float64(tune.Frames()*tune.Channels))
	if peak < 0.3 || peak >= 1 {
		t.Errorf("peak = %.3f of full scale, want it loud and not clipped", peak)
	}
	if rms < 0.02 {
		t.Errorf("rms = %.4f of full scale, want to hear something", rms)
	}
}

func TestPieceIsTheSameEveryTime(t *testing.T) {
	var a, b bytes.Buffer
	if err := tune.Write(&a); err != nil {
		t.Fatal(err)
	}
	if err := tune.Write(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two pieces differ")
	}
}
