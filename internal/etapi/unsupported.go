package etapi

import "fmt"

// refusal is a member of a request that is well-formed and that nothing here
// can do yet. Ignoring it would make another file than was asked for.
type refusal struct {
	member string
	asked  func(document) bool // whether the structure asks for it
	why    string
}

// given is a refusal of a member that says anything at all.
func given(member, why string) refusal {
	return refusal{member, func(d document) bool { return d.given(member) }, why}
}

// captioned is a refusal of captions that are to be read or written. A
// MergePolicy by itself has nothing to merge.
func captioned(member string) refusal {
	return refusal{member, func(d document) bool {
		c := d.structure(member)
		return c.given("CaptionSources") || c.given("CaptionFormats")
	}, "captions are not possible yet"}
}

// encrypted is a refusal of all encryption that is not the store's own.
func encrypted(member string) refusal {
	return refusal{member, func(d document) bool {
		e := d.structure(member)
		return d.given(member) && (e.text("Mode") != "s3" || e.text("Key")+e.text("KeyMd5")+e.text("InitializationVector") != "")
	}, "encryption other than of Mode s3, which has no key, is not possible yet"}
}

var (
	inputRefusals = []refusal{
		captioned("InputCaptions"),
		encrypted("Encryption"),
	}
	outputRefusals = []refusal{
		given("Watermarks", "watermarks are not possible yet"),
		captioned("Captions"),
		encrypted("Encryption"),
		encrypted("ThumbnailEncryption"),
	}
	artworkRefusals  = []refusal{encrypted("Encryption")}
	playlistRefusals = []refusal{
		given("HlsContentProtection", "protected playlists are not possible yet"),
		given("PlayReadyDrm", "protected playlists are not possible yet"),
	}
)

// refuseUnsupported names the first thing that a CreateJob request asks for and
// that is not possible yet. What needs a preset to be known, the domain refuses.
func refuseUnsupported(job document, inputs, outputs []document) error {
	for i, in := range inputs {
		if err := refuse(fmt.Sprintf("Input %d", i+1), in, inputRefusals); err != nil {
			return err
		}
	}
	for i, out := range outputs {
		what := fmt.Sprintf("Output %d", i+1)
		if err := refuse(what, out, outputRefusals); err != nil {
			return err
		}
		for _, w := range out.structure("AlbumArt").structures("Artwork") {
			if err := refuse("Artwork of "+what, w, artworkRefusals); err != nil {
				return err
			}
		}
	}
	for i, p := range job.structures("Playlists") {
		if err := refuse(fmt.Sprintf("Playlist %d", i+1), p, playlistRefusals); err != nil {
			return err
		}
	}
	return nil
}

func refuse(what string, d document, refusals []refusal) error {
	for _, r := range refusals {
		if r.asked(d) {
			return validation(fmt.Sprintf("%s has %s: %s.", what, r.member, r.why))
		}
	}
	return nil
}
