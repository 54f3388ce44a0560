# Lets a client play its operations, each in a directory of its own that it finds in $GROUND/operations.
# Environment: GROUND, CLIENT, RUNTIME, SCRIPT (the client's own words), ORDINARY (a user's name, or nothing),
# STAGES_PATIENCE (how many times as long it may take).
set -eu
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH" LC_ALL=C
. "$GROUND/words.sh"
. "$GROUND/$SCRIPT"
cd "$GROUND"

# An image with one program in it, as an archive of its files and as `docker save` writes it.
mkdir -p root/bin root/etc root/tmp root/data archive home run tmp
for busybox in /bin/busybox /usr/bin/busybox; do
    [ ! -f $busybox ] || cp $busybox root/bin/busybox
done
for applet in $(root/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "root/bin/$applet"
done
printf 'root:x:0:0::/:/bin/sh\nguest:x:1000:1000::/:/bin/sh\n' >root/etc/passwd
printf 'root:x:0:\nguest:x:1000:\n' >root/etc/group
tar -C root -cf box.tar .
cp box.tar archive/layer.tar
digest=$(sha256sum box.tar | cut -d' ' -f1)
cat >archive/config.json <<END
{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sleep","1000"]},"rootfs":{"type":"layers","diff_ids":["sha256:$digest"]}}
END
cat >archive/manifest.json <<END
[{"Config":"config.json","RepoTags":["docker.io/library/box:latest"],"Layers":["layer.tar"]}]
END
tar -C archive -cf archive.tar manifest.json config.json layer.tar

whom=
if [ -n "$ORDINARY" ]; then # what is written to /etc ends with the sandbox
    useradd --no-create-home --home-dir "$GROUND/home" "$ORDINARY"
    chown -R "$ORDINARY" home run tmp operations
    chmod 700 run tmp
    chmod 711 home # with ids of his own a container's root is not he
    whom="setpriv --reuid $ORDINARY --regid $ORDINARY --init-groups"
    whom="$whom env HOME=$GROUND/home USER=$ORDINARY XDG_RUNTIME_DIR=$GROUND/run TMPDIR=$GROUND/tmp"
fi
play() { # LIMIT SCRIPT: by whom it is for
    timeout --kill-after=5 $(($1 * STAGES_PATIENCE)) $whom sh -euc '. "$GROUND/words.sh"; . "$GROUND/$SCRIPT"; '"$2" </dev/null
}

prepare
play 60 begin
for operation in operations/*; do
    cd "$GROUND/$operation"
    : >"$GROUND/calls"
    chmod 666 "$GROUND/calls"
    # By files: who goes on would hold a pipe open, and its reader with it.
    code=0
    play 90 '. ./run' >out 2>err || code=$?
    echo $code >status
    cp "$GROUND/calls" calls
    play 60 clear >cleared 2>&1 || { echo 1 >status && cat cleared >>err; }
done
cd "$GROUND"
play 60 finish
