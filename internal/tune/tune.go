// Package tune makes a short piece of music, a study in broken chords on
// plucked strings, so that there is something to transcode where nobody brought
// a file. It knows nothing of what becomes of it.
package tune

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
)

// The form of the WAV that Write makes. It is not CD's, so that a transcoder
// has to convert rate and depth.
const (
	SampleRate = 48000
	BitDepth   = 24
	Channels   = 2
)

// The piece: eight bars of two half-bars each, sixteen notes to a bar.
const (
	notesPerChord = 8
	noteSeconds   = 0.14
	tailSeconds   = 2.5
)

// chords are broken from the bottom up and back; MIDI note numbers.
var chords = [][5]int{
	{48, 55, 60, 64, 67}, {48, 57, 62, 65, 69}, {47, 55, 62, 65, 67}, {48, 55, 60, 64, 67},
	{48, 57, 64, 69, 72}, {48, 54, 57, 62, 69}, {47, 55, 62, 67, 71}, {47, 52, 60, 64, 67},
	{45, 52, 60, 64, 67}, {38, 54, 60, 62, 66}, {43, 50, 59, 62, 67}, {43, 52, 58, 61, 67},
	{41, 53, 57, 60, 65}, {41, 53, 56, 59, 62}, {43, 53, 59, 62, 65}, {48, 52, 55, 60, 64},
}

// order is how a chord's notes follow each other.
var order = [notesPerChord]int{0, 1, 2, 3, 4, 2, 3, 4}

// Frames is how many samples each channel has.
func Frames() int {
	return int((float64(len(chords)*notesPerChord)*noteSeconds + tailSeconds) * SampleRate)
}

// Write writes the piece as a WAV file. It is the same to the last bit every
// time.
func Write(w io.Writer) error {
	left, right := play()
	b := bufio.NewWriterSize(w, 1<<16)
	writeHeader(b, len(left))
	for i := range left {
		writeSample(b, left[i])
		writeSample(b, right[i])
	}
	return b.Flush()
}

// play adds the notes up, each a little to the left or the right by its pitch.
func play() (left, right []float64) {
	left, right = make([]float64, Frames()), make([]float64, Frames())
	noise := rand.New(rand.NewPCG(1685, 1750))
	at := 0.0
	for _, chord := range chords {
		for _, step := range order {
			note := chord[step]
			pan := 0.5 + float64(note-58)/60
			start := int(at * SampleRate)
			for i, v := range pluck(noise, note, len(left)-start) {
				left[start+i] += v * math.Sqrt(1-pan) * 0.35
				right[start+i] += v * math.Sqrt(pan) * 0.35
			}
			at += noteSeconds
		}
	}
	return left, right
}

// pluck is Karplus and Strong's string: a burst of noise that runs round a
// delay line as long as one period and is averaged at each turn.
func pluck(noise *rand.Rand, note, limit int) []float64 {
	frequency := 440 * math.Exp2(float64(note-69)/12)
	line := make([]float64, int(SampleRate/frequency))
	last := 0.0
	for i := range line {
		// The burst is softened, as by a finger.
		last = 0.5*last + 0.5*(noise.Float64()*2-1)
		line[i] = last
	}
	out := make([]float64, min(limit, 2*SampleRate))
	for i := range out {
		here, next := i%len(line), (i+1)%len(line)
		out[i] = line[here]
		line[here] = 0.498 * (line[here] + line[next])
		if left := len(out) - i; left < SampleRate/20 {
			out[i] *= float64(left) / (SampleRate / 20) // no click at the end
		}
	}
	return out
}

func writeHeader(b *bufio.Writer, frames int) {
	const frameSize = Channels * BitDepth / 8
	size := uint32(frames * frameSize)
	// A bufio.Writer keeps its error for Flush.
	_, _ = b.WriteString("RIFF")
	_ = binary.Write(b, binary.LittleEndian, 36+size)
	_, _ = b.WriteString("WAVEfmt ")
	_ = binary.Write(b, binary.LittleEndian, struct {
		Size             uint32
		Format, Channels uint16
		Rate, ByteRate   uint32
		Align, Bits      uint16
	}{16, 1, Channels, SampleRate, SampleRate * frameSize, frameSize, BitDepth})
	_, _ = b.WriteString("data")
	_ = binary.Write(b, binary.LittleEndian, size)
}

func writeSample(b *bufio.Writer, v float64) {
	const top = 1<<(BitDepth-1) - 1
	n := int32(math.Round(min(max(v, -1), 1) * top))
	_, _ = b.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16)})
}
