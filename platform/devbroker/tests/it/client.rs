//! A client that says exactly what a test wants said, in the version it wants.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiKey, CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::running::PATIENCE;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    correlation: i32,
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), correlation: 0 }
    }

    /// Sends without waiting; gives the number the answer will carry.
    pub(crate) async fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(text("test")));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let len = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&len.to_be_bytes());
        self.stream.write_all(&frame).await.unwrap();
        self.correlation
    }

    /// The next answer; an error if the broker closed the connection.
    pub(crate) async fn try_receive<R: Request>(
        &mut self,
        correlation: i32,
        version: i16,
    ) -> std::io::Result<R::Response> {
        let frame = async {
            let len = self.stream.read_i32().await?;
            let mut frame = BytesMut::zeroed(usize::try_from(len).unwrap());
            self.stream.read_exact(&mut frame).await?;
            std::io::Result::Ok(frame.freeze())
        };
        let mut frame = timeout(PATIENCE, frame).await.expect("the broker answers")?;
        let header_version =
            if R::KEY == ApiKey::ApiVersions as i16 { 0 } else { R::Response::header_version(version) };
        let header = ResponseHeader::decode(&mut frame, header_version).unwrap();
        assert_eq!(header.correlation_id, correlation, "answers come in the order of the requests");
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(!frame.has_remaining(), "nothing is left of the answer");
        Ok(response)
    }

    pub(crate) async fn receive<R: Request>(&mut self, correlation: i32, version: i16) -> R::Response {
        self.try_receive::<R>(correlation, version).await.expect("the connection stays open")
    }

    pub(crate) async fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let correlation = self.send(request, version).await;
        self.receive::<R>(correlation, version).await
    }

    /// Creates a topic; gives the error code.
    pub(crate) async fn create(&mut self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> i16 {
        let setting = |(name, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        let new = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(settings.iter().map(setting).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![new]);
        self.call(&request, 7).await.topics[0].error_code
    }

    pub(crate) async fn produce(&mut self, name: &str, batch: Bytes) -> PartitionProduceResponse {
        let response = self.call(&producing(name, batch), 9).await;
        response.responses[0].partition_responses[0].clone()
    }

    pub(crate) async fn fetch(&mut self, name: &str, offset: i64, max_bytes: i32) -> FetchResponse {
        self.call(&fetching(name, offset, max_bytes, 0), 12).await
    }
}

/// One batch into partition 0.
pub(crate) fn producing(name: &str, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

/// From partition 0.
pub(crate) fn fetching(name: &str, offset: i64, max_bytes: i32, wait_ms: i32) -> FetchRequest {
    let partition =
        FetchPartition::default().with_partition(0).with_fetch_offset(offset).with_partition_max_bytes(max_bytes);
    FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(max_bytes)
        .with_topics(vec![FetchTopic::default().with_topic(topic(name)).with_partitions(vec![partition])])
}

/// A batch of one record with `bytes` of value.
pub(crate) fn batch(producer_id: i64, epoch: i16, sequence: i32, bytes: usize) -> Bytes {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch: epoch,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence,
        timestamp: 1_700_000_000_000,
        key: None,
        value: Some(Bytes::from(vec![b'x'; bytes])),
        headers: Default::default(),
    };
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, &[record], &options).unwrap();
    batch.freeze()
}

/// A batch of nobody in particular.
pub(crate) fn plain(bytes: usize) -> Bytes {
    batch(-1, -1, -1, bytes)
}
