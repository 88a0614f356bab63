#!/bin/sh
# Makes one signing secret for each source named, in the folder of the first argument; what is there already stays.
# Replace a file's content by the secret that the provider shows you, and restart the edge.
set -eu
umask 377
folder=$1
shift
for source in "$@"; do
    if [ ! -e "$folder/$source" ]; then
        # whsec_ and 32 random bytes in base64: a form that every provider's scheme takes.
        printf 'whsec_%s\n' "$(head -c 32 /dev/urandom | base64)" > "$folder/$source.new"
        mv "$folder/$source.new" "$folder/$source"
        echo "made a secret for $source"
    fi
done
