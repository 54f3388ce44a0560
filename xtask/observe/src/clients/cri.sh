# containerd as a node of Kubernetes has it, and kubelet's words for it (cri.py). A pod has the network of the node.
cri() {
    /usr/bin/python3 "$GROUND/cri.py" "$GROUND/pods" "$@"
}

pod() { # a pod by our handler
    cri run-pod entry
}

started() { # POD NAME SCRIPT [strict]: a container of it, which runs
    container=$(cri create "$@")
    cri start "$container"
    echo "$container"
}

is() { # CONTAINER STATE
    [ "$(cri state "$1")" = "$2" ]
}

prepare() {
    cat >"$GROUND/containerd.toml" <<END
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/box:latest"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "entry"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.entry]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.entry.options]
        BinaryName = "$RUNTIME"
END
    mkdir -p "$GROUND/pods"
    containerd --config "$GROUND/containerd.toml" >"$GROUND/containerd.log" 2>&1 &
}

begin() {
    await ctr version
    ctr --namespace k8s.io images import --snapshotter native "$GROUND/archive.tar" >/dev/null
    listed() { ctr --namespace k8s.io images ls --quiet | grep -q box:latest; }
    await listed
}

clear() {
    for pod in $(ctr --namespace k8s.io container ls --quiet 'labels."io.cri-containerd.kind"==sandbox'); do
        cri stop-pod "$pod"
        cri remove-pod "$pod"
    done
}

finish() { :; } # it ends with the sandbox
