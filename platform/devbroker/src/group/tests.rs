//! The state machine, with a clock made of numbers.

use tokio::sync::oneshot;

use super::*;

type JoinAnswer = oneshot::Receiver<Result<Joined, JoinRefusal>>;
type SyncAnswer = oneshot::Receiver<Result<Synced, ResponseError>>;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

struct Bench {
    group: Group,
    now: Instant,
}

fn who(id: &str, instance: Option<&str>) -> Who {
    Who { member_id: id.into(), instance: instance.map(Into::into) }
}

fn joining(id: &str, instance: Option<&str>) -> Joining {
    Joining {
        who: who(id, instance),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".into(),
        protocols: vec![("sticky".into(), Bytes::from_static(b"topics"))],
        asks_for_id: false,
    }
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self { group: Group::new(4, now), now }
    }

    fn join(&mut self, joining: Joining) -> JoinAnswer {
        let (reply, answer) = oneshot::channel();
        self.group.join(joining, reply, self.now);
        answer
    }

    fn sync(&mut self, joined: &Joined, assignments: &[(&str, &'static [u8])]) -> SyncAnswer {
        let (reply, answer) = oneshot::channel();
        let assignments = assignments.iter().map(|(id, bytes)| ((*id).into(), Bytes::from_static(bytes))).collect();
        let syncing = Syncing { who: who(&joined.member_id, None), generation: joined.generation, assignments };
        self.group.sync(syncing, reply, self.now);
        answer
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.tick(self.now);
    }

    fn alive(&mut self, joined: &Joined) -> Result<(), ResponseError> {
        self.group.heartbeat(&who(&joined.member_id, None), joined.generation, self.now)
    }

    /// A stable group of two; the first leads.
    fn pair(&mut self) -> (Joined, Joined) {
        let first = self.join(joining("", None)).try_recv().unwrap().unwrap();
        let mut second = self.join(joining("", None));
        let mut again = self.join(joining(&first.member_id, None));
        let (first, second) = (again.try_recv().unwrap().unwrap(), second.try_recv().unwrap().unwrap());
        let mut waiting = self.sync(&second, &[]);
        assert!(waiting.try_recv().is_err(), "a follower waits for the leader");
        let assignments = [(first.member_id.as_str(), &b"one"[..]), (second.member_id.as_str(), &b"two"[..])];
        assert_eq!(self.sync(&first, &assignments).try_recv().unwrap().unwrap().assignment, "one");
        assert_eq!(waiting.try_recv().unwrap().unwrap().assignment, "two");
        assert_eq!(self.group.state(), State::Stable);
        (first, second)
    }
}

fn error(mut answer: JoinAnswer) -> ResponseError {
    answer.try_recv().expect("an answer").expect_err("a refusal").error
}

#[test]
fn a_new_member_first_gets_its_id() {
    let mut bench = Bench::new();
    let asks = Joining { asks_for_id: true, ..joining("", None) };
    let refusal = bench.join(asks).try_recv().unwrap().unwrap_err();
    assert_eq!(refusal.error, ResponseError::MemberIdRequired);
    let joined = bench.join(joining(&refusal.member_id, None)).try_recv().unwrap().unwrap();
    assert_eq!((joined.generation, &joined.leader), (1, &refusal.member_id));
    assert_eq!(error(bench.join(joining("made up", None))), ResponseError::UnknownMemberId);
}

#[test]
fn a_promised_id_is_waited_for_but_not_for_ever() {
    let mut bench = Bench::new();
    let asks = Joining { asks_for_id: true, ..joining("", None) };
    let promised = bench.join(asks).try_recv().unwrap().unwrap_err().member_id;
    let mut other = bench.join(joining("", None));
    assert!(other.try_recv().is_err(), "the promised one may still come");
    bench.pass(SESSION);
    assert_eq!(other.try_recv().unwrap().unwrap().generation, 1);
    assert_eq!(error(bench.join(joining(&promised, None))), ResponseError::UnknownMemberId);
}

#[test]
fn the_leader_learns_of_everybody_and_the_others_of_nobody() {
    let mut bench = Bench::new();
    let (first, second) = bench.pair();
    assert_eq!((first.generation, second.generation), (2, 2));
    assert_eq!(first.leader, first.member_id);
    assert_eq!((first.members.len(), second.members.len()), (2, 0));
    assert_eq!(first.members[0].metadata, "topics");
}

#[test]
fn a_repeated_join_of_a_follower_changes_nothing_and_news_begin_a_generation() {
    let mut bench = Bench::new();
    let (first, second) = bench.pair();
    let same = bench.join(joining(&second.member_id, None)).try_recv().unwrap().unwrap();
    assert_eq!(same.generation, 2);
    assert_eq!(bench.group.state(), State::Stable);
    let mut news = joining(&second.member_id, None);
    news.protocols[0].1 = Bytes::from_static(b"other topics");
    let mut waiting = bench.join(news);
    assert!(waiting.try_recv().is_err());
    assert_eq!(bench.alive(&first), Err(ResponseError::RebalanceInProgress));
    bench.join(joining(&first.member_id, None));
    assert_eq!(waiting.try_recv().unwrap().unwrap().generation, 3);
}

#[test]
fn who_speaks_of_the_wrong_generation_or_is_nobody_is_told_so() {
    let mut bench = Bench::new();
    let (first, _) = bench.pair();
    let old = Joined { generation: 1, ..first.clone() };
    let nobody = Joined { member_id: "nobody".into(), ..first.clone() };
    assert_eq!(bench.alive(&first), Ok(()));
    assert_eq!(bench.alive(&old), Err(ResponseError::IllegalGeneration));
    assert_eq!(bench.alive(&nobody), Err(ResponseError::UnknownMemberId));
    assert_eq!(bench.sync(&old, &[]).try_recv().unwrap(), Err(ResponseError::IllegalGeneration));
}

#[test]
fn a_silent_member_is_out_after_its_session() {
    let mut bench = Bench::new();
    let (first, second) = bench.pair();
    bench.pass(SESSION / 2);
    bench.alive(&first).unwrap();
    bench.pass(SESSION / 2);
    assert_eq!(bench.alive(&second), Err(ResponseError::UnknownMemberId));
    assert_eq!(bench.alive(&first), Err(ResponseError::RebalanceInProgress));
    let alone = bench.join(joining(&first.member_id, None)).try_recv().unwrap().unwrap();
    assert_eq!((alone.generation, alone.members.len()), (3, 1));
}

#[test]
fn who_waits_for_others_is_not_silent_and_who_does_not_come_is_left_behind() {
    let mut bench = Bench::new();
    let (first, second) = bench.pair();
    let mut third = bench.join(joining("", None));
    let mut again = bench.join(joining(&first.member_id, None));
    for _ in 0..11 {
        bench.pass(SESSION / 2);
        assert!(third.try_recv().is_err());
        assert_eq!(bench.alive(&second), Err(ResponseError::RebalanceInProgress));
    }
    bench.pass(SESSION / 2);
    assert_eq!(again.try_recv().unwrap().unwrap().members.len(), 2);
    assert_eq!(third.try_recv().unwrap().unwrap().generation, 3);
    assert_eq!(bench.alive(&second), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_leader_that_never_assigns_is_left_behind() {
    let mut bench = Bench::new();
    let (first, second) = bench.pair();
    bench.join(Joining { session_timeout: REBALANCE * 2, ..joining("", None) });
    bench.join(joining(&first.member_id, None));
    bench.join(joining(&second.member_id, None));
    assert_eq!(bench.group.state(), State::Completing);
    let second = Joined { generation: 3, ..second };
    let first = Joined { generation: 3, ..first };
    let mut waiting = bench.sync(&second, &[]);
    for _ in 0..12 {
        bench.now += REBALANCE / 12;
        let _ = bench.alive(&first);
        bench.group.tick(bench.now);
    }
    assert_eq!(waiting.try_recv().unwrap(), Err(ResponseError::RebalanceInProgress));
    assert_eq!(bench.group.members().count(), 1);
    assert_eq!(bench.alive(&first), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_static_member_takes_the_place_of_its_former_self() {
    let mut bench = Bench::new();
    let old = bench.join(joining("", Some("a"))).try_recv().unwrap().unwrap();
    let assignments = vec![(old.member_id.clone(), Bytes::from_static(b"all"))];
    let (reply, _answer) = oneshot::channel();
    let syncing = Syncing { who: who(&old.member_id, Some("a")), generation: 1, assignments };
    bench.group.sync(syncing, reply, bench.now);
    let new = bench.join(joining("", Some("a"))).try_recv().unwrap().unwrap();
    assert_eq!((new.generation, bench.group.state()), (1, State::Stable));
    assert_ne!(new.member_id, old.member_id);
    assert_eq!(new.leader, old.member_id, "so that it does not assign anew");
    let (reply, mut answer) = oneshot::channel();
    let syncing = Syncing { who: who(&new.member_id, Some("a")), generation: 1, assignments: Vec::new() };
    bench.group.sync(syncing, reply, bench.now);
    assert_eq!(answer.try_recv().unwrap().unwrap().assignment, "all");
    let former = who(&old.member_id, Some("a"));
    assert_eq!(bench.group.heartbeat(&former, 1, bench.now), Err(ResponseError::FencedInstanceId));
    assert_eq!(bench.group.may_commit(&former, 1, bench.now), Err(ResponseError::FencedInstanceId));
    assert_eq!(error(bench.join(joining(&old.member_id, Some("a")))), ResponseError::FencedInstanceId);
    let by_name = who("", Some("a"));
    assert_eq!(bench.group.leave(&by_name, bench.now), Ok(()));
    assert!(bench.group.is_over());
}

#[test]
fn a_full_group_takes_no_more_but_lets_its_own_return() {
    let mut bench = Bench::new();
    let mut waiting: Vec<_> = (0..4).map(|_| bench.join(joining("", None))).collect();
    assert_eq!(error(bench.join(joining("", None))), ResponseError::GroupMaxSizeReached);
    let first = waiting[0].try_recv().unwrap().unwrap();
    bench.join(joining(&first.member_id, None));
    assert_eq!(bench.group.members().count(), 4);
}

#[test]
fn members_must_have_a_protocol_in_common() {
    let mut bench = Bench::new();
    let named = |names: &[&str]| Joining {
        protocols: names.iter().map(|name| ((*name).into(), Bytes::new())).collect(),
        ..joining("", None)
    };
    assert_eq!(error(bench.join(named(&[]))), ResponseError::InconsistentGroupProtocol);
    let first = bench.join(named(&["b", "a"])).try_recv().unwrap().unwrap();
    assert_eq!(first.protocol, "b");
    assert_eq!(error(bench.join(named(&["c"]))), ResponseError::InconsistentGroupProtocol);
    let other_type = Joining { protocol_type: "connect".into(), ..named(&["a"]) };
    assert_eq!(error(bench.join(other_type)), ResponseError::InconsistentGroupProtocol);
    let mut second = bench.join(named(&["c", "a"]));
    let mut again = named(&["b", "a"]);
    again.who.member_id = first.member_id;
    assert_eq!(bench.join(again).try_recv().unwrap().unwrap().protocol, "a");
    assert_eq!(second.try_recv().unwrap().unwrap().protocol, "a");
}

#[test]
fn commits_come_from_members_of_the_generation_or_from_outside_an_empty_group() {
    let mut bench = Bench::new();
    let outside = who("", None);
    assert_eq!(bench.group.may_commit(&outside, -1, bench.now), Ok(()));
    let (first, second) = bench.pair();
    let member = who(&first.member_id, None);
    assert_eq!(bench.group.may_commit(&member, 2, bench.now), Ok(()));
    assert_eq!(bench.group.may_commit(&member, 1, bench.now), Err(ResponseError::IllegalGeneration));
    assert_eq!(bench.group.may_commit(&outside, -1, bench.now), Err(ResponseError::UnknownMemberId));
    assert_eq!(bench.group.may_commit(&who("nobody", None), 2, bench.now), Err(ResponseError::UnknownMemberId));
    bench.join(joining("", None));
    assert_eq!(bench.group.may_commit(&member, 2, bench.now), Ok(()), "while others are still to come");
    bench.join(joining(&first.member_id, None));
    bench.join(joining(&second.member_id, None));
    assert_eq!(bench.group.may_commit(&member, 3, bench.now), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn the_last_one_leaves_an_empty_group() {
    let mut bench = Bench::new();
    let (first, second) = bench.pair();
    assert_eq!(bench.group.leave(&who("nobody", None), bench.now), Err(ResponseError::UnknownMemberId));
    bench.group.leave(&who(&first.member_id, None), bench.now).unwrap();
    assert_eq!(bench.alive(&second), Err(ResponseError::RebalanceInProgress));
    bench.group.leave(&who(&second.member_id, None), bench.now).unwrap();
    assert_eq!(bench.group.state(), State::Empty);
    assert!(bench.group.is_over());
}
