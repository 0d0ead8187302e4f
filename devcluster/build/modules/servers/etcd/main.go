// Command etcd is go.etcd.io/etcd/server/v3, whose own name would be "server" in the folder of binaries.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
