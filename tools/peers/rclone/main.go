// rclone with the two remotes that the benchmark needs: a folder, and compression over it.
package main

import (
	_ "github.com/rclone/rclone/backend/compress"
	_ "github.com/rclone/rclone/backend/local"
	"github.com/rclone/rclone/cmd"
	_ "github.com/rclone/rclone/cmd/copy"
	_ "github.com/rclone/rclone/cmd/version"
)

func main() { cmd.Main() }
