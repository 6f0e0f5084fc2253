# xstilts as an image, for hosts with CPUs or with NVIDIA GPUs. docs/how-to/gpus.md says how it is run.
#   docker build -t xstilts:0.1.0-cpu .
#   docker build -t xstilts:0.1.0-cuda --build-arg DEVICE=cuda .
#
# Build arguments:
#   DEVICE        cpu or cuda: which build of torch is in it.
#   TORCH_INDEX   Package index of that build. Of CUDA's builds, take one that the hosts' driver can run: cu130 needs
#                 driver 580 or later, cu129 (https://download.pytorch.org/whl/cu129) 525 or later.
#   PYTHON_IMAGE  An image with Python 3.11 and Debian's apt.
#
# torch's packages bring CUDA, cuDNN and NCCL with them, and the driver is the host's, so there is no CUDA base image.
ARG DEVICE=cpu
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS python
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# KubeRay's probes call wget.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY constraints.txt pyproject.toml ./

# torch alone comes from its own index, and what it needs from PyPI: no second index can offer a package of ours.
FROM python AS torch-cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-deps --constraint constraints.txt --index-url "$TORCH_INDEX" torch

FROM python AS torch-cuda
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu130
RUN pip install --no-deps --constraint constraints.txt --index-url "$TORCH_INDEX" torch
# What the NVIDIA container toolkit reads: all GPUs that the host gives, and no libraries for graphics.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM torch-${DEVICE} AS xstilts
# The dependencies first, so that a change of the code alone does not fetch them again.
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; extra = project['optional-dependencies']; print(*project['dependencies'], *extra['cluster'], *extra['postgres'], sep='\n')" > requirements.txt \
 && pip install --constraint constraints.txt --requirement requirements.txt
COPY LICENSE README.md ./
COPY search search
COPY spaces spaces
COPY trainables trainables
RUN pip install --no-deps . && rm -rf /build

# A number, for Kubernetes cannot tell from a name that it is not root. Ray's own images have the same one.
RUN useradd --create-home --uid 1000 --shell /bin/bash xstilts
USER 1000
WORKDIR /home/xstilts
ENV HOME=/home/xstilts RAY_USAGE_STATS_ENABLED=0
# A volume that is mounted here takes over the folder's owner.
RUN mkdir xstilts-home
# An image in which a search cannot run is not built.
RUN xstilts doctor --record /tmp/check/record.db --store /tmp/check/store && rm -rf /tmp/check

# It imports torch, DeepSpeed and Ray in processes of their own, some 20 s of one core: not often.
HEALTHCHECK --interval=30m --timeout=5m --start-period=5m CMD ["xstilts", "doctor"]
CMD ["xstilts", "--help"]
