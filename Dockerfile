# One image for web, worker and beat; compose.yaml says which is which.
FROM python:3.12-slim
WORKDIR /evox
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . ./
RUN useradd --create-home evox && install -d -o evox /data
USER evox
ENV EVOX_DATA_DIR=/data DJANGO_SETTINGS_MODULE=evox.settings PYTHONUNBUFFERED=1
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "evox.wsgi:application"]
