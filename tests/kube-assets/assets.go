// Package assets names the programs of a control plane, and kubectl, so that `go build`
// takes their versions from this module's go.mod.
package assets

import (
	_ "go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/kubectl/pkg/cmd"
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
)
