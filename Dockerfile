# Astro Runtime 3.3-8 is Airflow 3.3.2. Its default Python is 3.14, which Rollcall does not support yet, hence the flavor.
# The base image installs packages.txt and requirements.txt and copies the project by itself (ONBUILD).
FROM astrocrpublic.azurecr.io/runtime:3.3-8-python-3.13

# `--build-arg EXTRAS=s3` for a landing zone in a bucket.
ARG EXTRAS=""

# Airflow learns the connection type `oneroster` from an installed distribution only, so the project is installed too.
RUN pip install --no-cache-dir --no-deps --editable . \
 && if [ -n "$EXTRAS" ]; then pip install --no-cache-dir --editable ".[$EXTRAS]"; fi

# No library reports to its makers.
ENV GX_ANALYTICS_ENABLED=false SCARF_ANALYTICS=false DO_NOT_TRACK=1

# Not root: the base image has this user.
USER astro
