package etapi

import "etude/internal/transcode"

// playlistJSON has the two members that are null in every playlist: asking for
// either is refused.
type playlistJSON struct {
	Name                 string
	Format               string
	OutputKeys           []string
	HlsContentProtection *struct{}
	PlayReadyDrm         *struct{}
	Status               string
	StatusDetail         *string
}

func newPlaylistsJSON(playlists []transcode.Playlist) []playlistJSON {
	list := make([]playlistJSON, 0, len(playlists))
	for _, p := range playlists {
		list = append(list, playlistJSON{
			Name: p.Name, Format: p.Format, OutputKeys: p.OutputKeys, Status: string(p.Status), StatusDetail: orNull(p.StatusDetail),
		})
	}
	return list
}

func playlists(list []document) (specs []transcode.PlaylistSpec) {
	for _, d := range list {
		specs = append(specs, transcode.PlaylistSpec{Name: d.text("Name"), Format: d.text("Format"), OutputKeys: d.list("OutputKeys")})
	}
	return specs
}
