"""Prints what is in a topic: one JSON object a message, with partition, offset, key and value."""
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

brokers, topic = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": brokers,
    "group.id": "judge",
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    # The end of a transaction takes a place of its own, which is no message.
    "enable.partition.eof": True,
})
deadline = time.monotonic() + 60
found = consumer.list_topics(topic, timeout=30).topics[topic]
if found.error is not None:
    sys.exit(f"{topic}: {found.error}")
left = set()
for partition in found.partitions:
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
    if end > 0:
        left.add(partition)
consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
while left:
    if time.monotonic() > deadline:
        sys.exit(f"not read to the end: {left}")
    message = consumer.poll(0.2)
    if message is None:
        continue
    if message.error() is not None:
        if message.error().code() != KafkaError._PARTITION_EOF:
            sys.exit(str(message.error()))
        left.discard(message.partition())
        continue
    text = lambda it: None if it is None else it.decode()
    print(json.dumps({
        "partition": message.partition(),
        "offset": message.offset(),
        "key": text(message.key()),
        "value": text(message.value()),
    }))
consumer.close()
