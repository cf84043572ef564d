package measure

import (
	"image"
	"image/color"
	"image/png"
	"io"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// The picture: its size, and the range of levels, in dB of full scale, that its
// colours stand for.
const (
	SpectrogramWidth  = 800
	SpectrogramHeight = 256

	floor, ceiling = -110.0, -20.0
)

// spectrogram takes a look at the sound at regular intervals. When it has taken
// twice as many as the picture is wide, it drops every other one and looks half
// as often from then on.
type spectrogram struct {
	rate   int
	window []float64 // Hann's, as long as what is looked at
	fft    *fourier.FFT
	rows   []float64 // where, in the spectrum, each row of the picture begins; and the end

	buffer []float64 // what is looked at next, all channels mixed
	skip   int       // frames until that begins
	every  int       // frames from one look to the next
	looks  [][SpectrogramHeight]uint8

	windowed []float64
	bins     []complex128
	power    []float64
}

func newSpectrogram(rate int, frames int64) *spectrogram {
	size := span // two raised to some power, as long as 40 to 80 ms
	for size < rate/25 {
		size *= 2
	}
	s := &spectrogram{
		rate: rate, fft: fourier.NewFFT(size), rows: rows(rate, size),
		window: make([]float64, size), buffer: make([]float64, 0, size), windowed: make([]float64, size),
		bins: make([]complex128, size/2+1), power: make([]float64, size/2+1),
		every: size / 2,
		looks: make([][SpectrogramHeight]uint8, 0, 2*SpectrogramWidth),
	}
	for i := range s.window {
		s.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(size))
	}
	if width := frames / SpectrogramWidth / span * span; width > int64(s.every) {
		s.every = int(min(width, math.MaxInt32))
	}
	return s
}

// top is the frequency, in Hz, of a spectrogram's upper edge.
func top(rate int) float64 { return min(float64(rate)/2, 22050) }

// mel is the scale of the picture's rows, on which equal steps sound about
// equal.
func mel(hz float64) float64 { return 1127 * math.Log1p(hz/700) }

func hertz(mel float64) float64 { return 700 * math.Expm1(mel/1127) }

// rows are the edges of the picture's rows, from the bottom up, in bins of a
// transform of that size.
func rows(rate, size int) []float64 {
	edges := make([]float64, SpectrogramHeight+1)
	for i := range edges {
		hz := hertz(mel(top(rate)) * float64(i) / SpectrogramHeight)
		edges[i] = hz * float64(size) / float64(rate)
	}
	return edges
}

// add takes n frames.
func (s *spectrogram) add(plane [][]float32, n int) {
	from := reach
	if s.skip > 0 {
		k := min(s.skip, n)
		s.skip, from, n = s.skip-k, from+k, n-k
	}
	for n > 0 {
		k := min(n, cap(s.buffer)-len(s.buffer))
		s.mix(plane, from, from+k)
		from, n = from+k, n-k
		if len(s.buffer) == cap(s.buffer) {
			s.look()
			s.forget()
		}
		if s.skip > 0 {
			k := min(s.skip, n)
			s.skip, from, n = s.skip-k, from+k, n-k
		}
	}
}

// mix puts some frames into the buffer.
func (s *spectrogram) mix(plane [][]float32, from, to int) {
	n := len(s.buffer)
	s.buffer = s.buffer[:n+to-from]
	mixed := s.buffer[n:]
	for i, v := range plane[0][from:to] {
		mixed[i] = float64(v)
	}
	for _, samples := range plane[1:] {
		for i, v := range samples[from:to] {
			mixed[i] += float64(v)
		}
	}
	if len(plane) > 1 {
		for i := range mixed {
			mixed[i] /= float64(len(plane))
		}
	}
}

// forget drops what the next look does not see.
func (s *spectrogram) forget() {
	if s.every < len(s.buffer) {
		n := copy(s.buffer, s.buffer[s.every:])
		s.buffer = s.buffer[:n]
	} else {
		s.skip = s.every - len(s.buffer)
		s.buffer = s.buffer[:0]
	}
	if len(s.looks) == cap(s.looks) {
		for i := range len(s.looks) / 2 {
			s.looks[i] = s.looks[2*i]
		}
		s.looks = s.looks[:len(s.looks)/2]
		s.every *= 2
	}
}

// look takes the spectrum of the buffer.
func (s *spectrogram) look() {
	scale := 4 / float64(len(s.window)) // a sine of full scale is 0 dB
	for i, v := range s.buffer {
		s.windowed[i] = v * s.window[i] * scale
	}
	s.fft.Coefficients(s.bins, s.windowed)
	for i, c := range s.bins {
		s.power[i] = real(c)*real(c) + imag(c)*imag(c)
	}
	s.looks = append(s.looks, [SpectrogramHeight]uint8{})
	column := &s.looks[len(s.looks)-1]
	for row := range column {
		column[row] = shade(s.between(s.rows[row], s.rows[row+1]))
	}
}

// between is the greatest power between two edges of a row; where the row is
// narrower than a bin, a point on the line from one bin to the next.
func (s *spectrogram) between(low, high float64) float64 {
	first, last := int(math.Ceil(low)), int(math.Ceil(high))-1
	if last < first {
		at := (low + high) / 2
		i := min(int(at), len(s.power)-2)
		part := at - float64(i)
		return s.power[i]*(1-part) + s.power[i+1]*part
	}
	most := 0.0
	for _, p := range s.power[first:min(last+1, len(s.power))] {
		most = max(most, p)
	}
	return most
}

// shade is the colour that stands for a power.
func shade(power float64) uint8 {
	// The logarithm to base 2, to a hundredth: the exponent, and for the
	// fraction a parabola.
	bits := math.Float64bits(power)
	part := float64(bits&(1<<52-1)) / (1 << 52)
	log2 := float64(int(bits>>52)-1023) + part + 0.344*part*(1-part)
	const perBit = 3.0102999566398120 // dB
	level := (log2*perBit - floor) / (ceiling - floor)
	return uint8(min(max(level, 0), 1)*255 + 0.5)
}

// result returns the picture of so many frames, or nil if there was not one
// look at them.
func (s *spectrogram) result(frames int64) *Spectrogram {
	if frames == 0 {
		return nil
	}
	if len(s.looks) == 0 { // less than a look: with silence after it
		s.buffer = append(s.buffer, make([]float64, cap(s.buffer)-len(s.buffer))...)
		s.look()
	}
	return &Spectrogram{Top: top(s.rate), looks: s.looks}
}

// Spectrogram is a picture of some sound: time goes to the right, frequency
// upwards on the mel scale, from 0 to Top Hz.
type Spectrogram struct {
	Top   float64
	looks [][SpectrogramHeight]uint8
}

// Image draws the picture, SpectrogramWidth pixels by SpectrogramHeight.
func (s *Spectrogram) Image() *image.Paletted {
	img := image.NewPaletted(image.Rect(0, 0, SpectrogramWidth, SpectrogramHeight), palette)
	for x := range SpectrogramWidth {
		// The looks that fall on this column; or the one that it falls on.
		first := x * len(s.looks) / SpectrogramWidth
		last := max((x+1)*len(s.looks)/SpectrogramWidth, first+1)
		for row := range SpectrogramHeight {
			most := uint8(0)
			for _, look := range s.looks[first:last] {
				most = max(most, look[row])
			}
			img.Pix[(SpectrogramHeight-1-row)*img.Stride+x] = most
		}
	}
	return img
}

// WritePNG writes the picture as a PNG with a palette.
func (s *Spectrogram) WritePNG(w io.Writer) error {
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	return e.Encode(w, s.Image())
}

// palette goes from the ink of the site through its indigo to light.
var palette = newPalette()

func newPalette() color.Palette {
	stops := []struct {
		at      float64
		r, g, b float64
	}{
		{0, 0x0d, 0x0d, 0x1c}, {0.25, 0x22, 0x1f, 0x57}, {0.5, 0x4f, 0x46, 0xc8},
		{0.7, 0xa8, 0x6c, 0xe4}, {0.87, 0xf5, 0xa8, 0xb8}, {1, 0xff, 0xf3, 0xd6},
	}
	p := make(color.Palette, 256)
	for i := range p {
		v := float64(i) / 255
		k := 1
		for stops[k].at < v {
			k++
		}
		a, b := stops[k-1], stops[k]
		t := (v - a.at) / (b.at - a.at)
		mix := func(x, y float64) uint8 { return uint8(x + (y-x)*t + 0.5) }
		p[i] = color.RGBA{mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b), 0xff}
	}
	return p
}
