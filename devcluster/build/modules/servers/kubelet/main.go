// Command kubelet is k8s.io/kubernetes/cmd/kubelet, and asks the containerd at CONTAINERD_ADDRESS for the names of
// containers. Since 1.37 the kubelet has no flag for that: without this, cAdvisor asks the one at the default address,
// and its metrics have no container names.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if address := os.Getenv("CONTAINERD_ADDRESS"); address != "" {
		if err := flag.Set("containerd", address); err != nil { // a flag of cAdvisor's
			fmt.Fprintln(os.Stderr, "CONTAINERD_ADDRESS:", err)
			os.Exit(1)
		}
	}
	os.Exit(cli.Run(app.NewKubeletCommand(context.Background())))
}
