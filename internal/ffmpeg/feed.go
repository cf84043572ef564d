package ffmpeg

import (
	"context"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"
)

// feed is sound that the decode gives us, beside the files that it makes: raw
// samples, in 32-bit floats, interleaved.
type feed struct {
	Rate     int // Hz
	Channels int
	Filters  string // that make it of the joined parts
}

// newFeed plans the feed of what a track's encoder gets. Its samples are those
// that the encoder would get of ffmpeg itself.
func (p *plan) newFeed(t *track) feed {
	raw := *t
	raw.Sample, raw.Dither = "flt", false
	return feed{Rate: t.Rate, Channels: t.Channels, Filters: p.trackFilters(&raw)}
}

// joined is the feed of the joined parts, as they are.
func (p *plan) joined() feed {
	return p.newFeed(&track{Rate: p.Rate, Channels: p.Channels, Layout: layouts[p.Channels]})
}

// addFeed adds a feed, unless there is one like it, and returns its index.
func (p *plan) addFeed(f feed) int {
	if i := slices.Index(p.Feeds, f); i >= 0 {
		return i
	}
	p.Feeds = append(p.Feeds, f)
	return len(p.Feeds) - 1
}

// feedArgs returns the arguments of one feed, which goes to the child's file
// that encode has put there for it.
func (p *plan) feedArgs(i int) []string {
	f := &p.Feeds[i]
	sound := p.sound(len(p.Tracks) + i)
	args := []string{"-map", sound, "-map_metadata", "-1", "-map_chapters", "-1"}
	if len(p.Parts) == 1 {
		args = append(args, "-af", f.Filters)
	}
	return append(args, "-c:a", "pcm_f32le", "-f", "f32le", "-flush_packets", "0", fmt.Sprintf("pipe:%d", firstPipe+i))
}

// firstPipe is the number of a child's first file beside the usual three.
const firstPipe = 3

// windowBytes is how much decoded sound is held in memory for those who hear
// it: about a minute and a half of CD sound.
const windowBytes = 32 << 20

// feeding is the feeds of a plan while it is decoded.
type feeding struct {
	*hub
	windows []*window // in the order of the plan's feeds
	readers []*os.File
}

// openFeeds opens the pipes through which a command is to give the feeds of a
// plan. The command has to be run, or its files closed, and fill to be called.
func openFeeds(p *plan, c *command) (*feeding, error) {
	f := &feeding{hub: newHub(windowBytes)}
	for _, feed := range p.Feeds {
		r, w, err := os.Pipe()
		if err != nil {
			f.close()
			c.closeFiles()
			return nil, err
		}
		widen(r)
		f.readers = append(f.readers, r)
		c.pipes = append(c.pipes, w)
		f.windows = append(f.windows, f.newWindow(feed.Channels))
	}
	return f, nil
}

// fill fills the windows until the command has given all. It ends when ctx
// does.
func (f *feeding) fill(ctx context.Context, c *command) error {
	defer f.close()
	stop := context.AfterFunc(ctx, func() { f.fail(context.Cause(ctx)) })
	defer stop()
	var group errgroup.Group
	for i, w := range f.windows {
		group.Go(func() error {
			err := w.fill(f.readers[i], c.watch.hold, c.watch.release)
			if err != nil {
				f.fail(err)
				f.readers[i].Close() // or the command would wait for us
			}
			return err
		})
	}
	return group.Wait()
}

func (f *feeding) close() {
	for _, r := range f.readers {
		r.Close()
	}
}
