#!/usr/bin/python3
"""A kubelet of few words: calls of the Container Runtime Interface, as containerd serves them.

Debian has no crictl. Messages are written and read by field number: cri-api, pkg/apis/runtime/v1/api.proto.
Commands print what came back; `exec` ends as the command inside did; 1 is a refusal, which is said.
"""
import sys

import grpc


def varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def message(fields):
    """A dict from field number to value: a number, a text, bytes, another dict, or a list of these."""
    out = b""
    for number, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int):
                out += varint(number << 3) + varint(one)
                continue
            data = message(one) if isinstance(one, dict) else one.encode() if isinstance(one, str) else one
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def read_varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return number, at


def fields(data):
    """The last value of each field: a number, or bytes."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        found[key >> 3] = value
    return found


# The network of the node, so that no plugin is needed; a pid namespace for each container, as kubelet asks for it.
NAMESPACES = {1: 2, 2: 1}

channel = grpc.insecure_channel("unix:///run/containerd/containerd.sock")


def call(name, request):
    method = channel.unary_unary(f"/runtime.v1.RuntimeService/{name}", lambda data: data, lambda data: data)
    return fields(method(message(request), timeout=60))


def pod_config(name):
    linux = {1: "/stage4-client", 2: {1: NAMESPACES}}
    return {1: {1: name, 2: name, 3: "default"}, 3: sys.argv[1], 8: linux}


def create(pod, name, script, *strict):
    rights = {3: NAMESPACES}
    if strict:  # no capability, user 1000, read-only, no new privileges, containerd's filter
        rights |= {1: {2: "ALL"}, 5: {1: 1000}, 7: 1, 11: 1, 15: {1: 0}}
    linux = {1: {1: 100000, 2: 50000, 4: 64 << 20}, 2: rights}
    config = {1: {1: name}, 2: {1: "docker.io/library/box:latest"}, 3: ["/bin/sh", "-c", script], 11: name, 15: linux}
    return call("CreateContainer", {1: pod, 2: config, 3: pod_config("pod")})[1].decode()


def execute(container, *command):
    answer = call("ExecSync", {1: container, 2: list(command), 3: 30})
    sys.stdout.write(answer.get(1, b"").decode())
    sys.stderr.write(answer.get(2, b"").decode())
    sys.exit(answer.get(3, 0))


def state(container):
    status = fields(call("ContainerStatus", {1: container})[1])
    return f"{['CREATED', 'RUNNING', 'EXITED', 'UNKNOWN'][status.get(3, 0)]} {status.get(7, 0)}"


def stats(container):
    known = fields(call("ContainerStats", {1: container})[1])
    return " ".join(name for field, name in ((2, "cpu"), (3, "memory")) if fields(fields(known[field])[2]).get(1, 0))


COMMANDS = {
    "run-pod": lambda handler: call("RunPodSandbox", {1: pod_config("pod"), 2: handler})[1].decode(),
    "pod-state": lambda pod: ["READY", "NOTREADY"][fields(call("PodSandboxStatus", {1: pod})[1]).get(3, 0)],
    "stop-pod": lambda pod: call("StopPodSandbox", {1: pod}) and None,
    "remove-pod": lambda pod: call("RemovePodSandbox", {1: pod}) and None,
    "create": create,
    "start": lambda container: call("StartContainer", {1: container}) and None,
    "stop": lambda container, seconds: call("StopContainer", {1: container, 2: int(seconds)}) and None,
    "remove": lambda container: call("RemoveContainer", {1: container}) and None,
    "update": lambda container, memory: call("UpdateContainerResources", {1: container, 2: {4: int(memory)}}) and None,
    "exec": execute,
    "state": state,
    "stats": stats,
}

try:
    told = COMMANDS[sys.argv[2]](*sys.argv[3:])
except grpc.RpcError as error:
    sys.exit(f"cri: {sys.argv[2]}: {error.details()}")
if told:
    print(told)
