# Process 1 of the sandbox enters its groups; they are the topmost it can see from then on.
set -eu
furnish=$1 name=$2 hierarchies=$3
shift 3
tab=$(printf '\t')
while IFS="$tab" read -r parent type options mount; do
    echo 0 >"$parent/$name/cgroup.procs"
done <<END
$hierarchies
END
exec unshare --cgroup sh -c "$furnish" stage4-sandbox "$hierarchies" "$@"
