package measure

import "math"

// loudness measures by BS.1770-4 and EBU Tech 3342.
type loudness struct {
	rate    int
	weight  []float64 // of each channel; 0 for LFE
	filter  weighting
	states  []state
	sum     float64 // weighted energy since the last tenth
	count   int     // frames since then
	tenths  int64   // how many are over
	due     int     // frames until the next is over
	recent  [30]float64
	gated   histogram // of 400 ms
	short   histogram // of 3 s
	filters []int     // the channels that count
}

// weights are the channels' by BS.1770-4, table 4, for ffmpeg's default layouts:
// what comes from the sides, 60 to 120 degrees, counts 1.41.
var weights = [MaxChannels + 1][]float64{
	1: {1},
	2: {1, 1},
	3: {1, 1, 0},                      // 2.1
	4: {1, 1, 1, 1},                   // 4.0: the centre in front, the centre at the back
	5: {1, 1, 1, 1.41, 1.41},          // 5.0
	6: {1, 1, 1, 0, 1.41, 1.41},       // 5.1
	7: {1, 1, 1, 0, 1, 1.41, 1.41},    // 6.1: the back, then the sides
	8: {1, 1, 1, 0, 1, 1, 1.41, 1.41}, // 7.1: likewise
}

func newLoudness(rate, channels int) loudness {
	l := loudness{
		rate: rate, weight: weights[channels], filter: newWeighting(rate),
		states: make([]state, channels),
		gated:  newHistogram(), short: newHistogram(),
	}
	for c, w := range l.weight {
		if w > 0 {
			l.filters = append(l.filters, c)
		}
	}
	l.due = l.next()
	return l
}

// next is how many frames the next tenth of a second has: rates need not be
// divisible.
func (l *loudness) next() int {
	return int((l.tenths+1)*int64(l.rate)/10 - l.tenths*int64(l.rate)/10)
}

// add takes n frames.
func (l *loudness) add(plane [][]float32, n int) {
	for from := reach; n > 0; {
		k := min(n, l.due)
		l.filtered(plane, from, from+k)
		from, n, l.count, l.due = from+k, n-k, l.count+k, l.due-k
		if l.due == 0 {
			l.tenth()
		}
	}
	for c := range l.states {
		l.states[c].settle()
	}
}

func (l *loudness) filtered(plane [][]float32, from, to int) {
	channels := l.filters
	for ; len(channels) >= 2; channels = channels[2:] {
		a, b := channels[0], channels[1]
		x, y := l.filter.energies(&l.states[a], &l.states[b], plane[a][from:to], plane[b][from:to])
		l.sum += l.weight[a]*x + l.weight[b]*y
	}
	for _, c := range channels {
		l.sum += l.weight[c] * l.filter.energy(&l.states[c], plane[c][from:to])
	}
}

// tenth ends a tenth of a second: the last four are a block for the integrated
// loudness, the last thirty one for the range.
func (l *loudness) tenth() {
	l.recent[l.tenths%int64(len(l.recent))] = l.sum / float64(l.count)
	l.tenths++
	l.sum, l.count, l.due = 0, 0, l.next()
	if l.tenths >= 4 {
		l.gated.add(l.mean(4))
	}
	if l.tenths >= int64(len(l.recent)) {
		l.short.add(l.mean(len(l.recent)))
	}
}

// mean is that of the last n tenths.
func (l *loudness) mean(n int) float64 {
	sum := 0.0
	for i := range int64(n) {
		sum += l.recent[(l.tenths-1-i)%int64(len(l.recent))]
	}
	return sum / float64(n)
}

// integrated is the loudness of all: of the blocks above -70 LUFS, and of those
// the ones above 10 LU below their mean.
func (l *loudness) integrated() float64 {
	all, n := l.gated.above(math.Inf(-1))
	if n == 0 {
		return math.Inf(-1)
	}
	loud, n := l.gated.above(lufs(all/float64(n)) - 10)
	return lufs(loud / float64(n))
}

// lra is the loudness range.
func (l *loudness) lra() float64 {
	all, n := l.short.above(math.Inf(-1))
	if n == 0 {
		return 0
	}
	gate := lufs(all/float64(n)) - 20
	return l.short.percentile(gate, 0.95) - l.short.percentile(gate, 0.10)
}

func lufs(energy float64) float64 { return -0.691 + 10*math.Log10(energy) }

// histogram counts blocks by their loudness, so that a day takes no more memory
// than a minute. Its steps are a hundredth of an LU; the energies are summed as
// they are, so a step's width is felt at the gates only.
type histogram struct {
	count  []int64
	energy []float64
}

const (
	quietest = -70.0 // LUFS: what is not louder never counts
	loudest  = 130.0
	steps    = 100 // to an LU
)

func newHistogram() histogram {
	const n = int(loudest-quietest) * steps
	return histogram{make([]int64, n), make([]float64, n)}
}

func (h *histogram) add(energy float64) {
	l := lufs(energy)
	if !(l > quietest) {
		return
	}
	i := min(int((l-quietest)*steps), len(h.count)-1)
	h.count[i]++
	h.energy[i] += energy
}

// above sums up the blocks that are louder than gate.
func (h *histogram) above(gate float64) (energy float64, n int64) {
	for i := step(gate); i < len(h.count); i++ {
		energy += h.energy[i]
		n += h.count[i]
	}
	return energy, n
}

// step is where in a histogram what is louder than gate begins.
func step(gate float64) int { return int(max(gate-quietest, 0)*steps + 0.5) }

// percentile is the loudness below which that share of the blocks above gate
// are.
func (h *histogram) percentile(gate, share float64) float64 {
	_, n := h.above(gate)
	left := int64(math.Round(float64(n-1) * share))
	for i := step(gate); i < len(h.count); i++ {
		if left -= h.count[i]; left < 0 {
			return quietest + (float64(i)+0.5)/steps
		}
	}
	return quietest
}
