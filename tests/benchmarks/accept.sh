#!/bin/sh
# Accepts each GPU of this machine, one after the other; what was found goes into the folder $1
# (default: acceptance). Run it where nothing else runs: about ten minutes a GPU.
#
#     sh tests/benchmarks/accept.sh [FOLDER]
set -u
folder=${1:-acceptance}
mkdir -p "$folder" || exit 3
nvidia-smi -q >"$folder/nvidia-smi.txt" || exit 3
energyctl doctor >"$folder/doctor.txt"
worst=0
for gpu in $(nvidia-smi --query-gpu=index --format=csv,noheader); do
    energyctl doctor --accept --gpu "$gpu" --json >"$folder/gpu-$gpu.json" 2>"$folder/gpu-$gpu.txt"
    code=$?
    echo "GPU $gpu: exit code $code, $folder/gpu-$gpu.json"
    [ "$code" -gt "$worst" ] && worst=$code
done
energyctl meter --json "$folder/meter.json" -- sleep 10
exit "$worst"
