package ffmpeg

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// listener hears the joined input of a job: all samples in their order,
// interleaved, from one goroutine. It keeps nothing of what it is given.
type listener interface {
	Write(interleaved []float32)
}

// tell has a listener hear a window to its end.
func (r *hearer) tell(l listener) error {
	defer r.close()
	r.patient = true // or the decode would run ahead of the encoders, with all it decodes held
	samples := make([]float32, 0, chunkBytes/4)
	for {
		part, err := r.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		samples = samples[:len(part)/4]
		for i := range samples {
			samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(part[4*i:]))
		}
		r.move(r.at + int64(len(part))/r.w.frame)
		l.Write(samples)
	}
}
