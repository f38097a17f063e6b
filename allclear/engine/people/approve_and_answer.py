"""Answering an ask: approve or deny, report a step, agree to a false alarm, choose a candidate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allclear.company import Company
from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.after_end import is_still_asked
from allclear.domain.approval import Ask, AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.base import Clock, is_blank, person_key
from allclear.domain.decisions import Decision, asked_now, closed_because, decision_named, named_ask
from allclear.domain.errors import MissingText, NotAllowed, NotFound, WrongState
from allclear.domain.incident import Incident
from allclear.domain.privacy import is_proven
from allclear.domain.proof import Proof
from allclear.domain.records import ActFinished, AskAnswered, By, Contained, FollowUpAdded, StepDone
from allclear.domain.reminders.follow_ups import DUE_DAYS
from allclear.domain.roles import acting_as, plan_role_for
from allclear.domain.text import answer_commands, plain, with_proof
from allclear.engine.actions.approval_requests import not_done
from allclear.engine.people.assess import Assessments
from allclear.engine.people.incident_writer import IncidentWriter
from allclear.engine.response.step_context import StepContext
from allclear.engine.response.withdrawals import questions_to_withdraw
from allclear.journal.rows import OutboxKind, OutboxMessage


class Answers:
    """Records the answers of people, if they may give them."""

    def __init__(
        self, company: Company, writer: IncidentWriter, assessments: Assessments, steps: StepContext, clock: Clock
    ) -> None:
        self._clock = clock
        self._company = company
        self._writer = writer
        self._assessments = assessments
        self._steps = steps

    def answer(self, ask_id: str, by: By, *, yes: bool, reason: str = "", choice: str | None = None) -> str:
        """Record a person's answer, and return a sentence for that person.

        Raises NotFound for an unknown ask; NotAllowed if the ask is closed, if
        this person may not answer it, or if the reason or the choice is missing. An answer to a question that is closed
        counts for no other question: the error says what is asked now.
        """
        incident_id = ask_id.partition("/")[0]
        by = self._in_a_role_that_may(ask_id, by)

        def decide(incident: Incident) -> list[Any]:
            state = self._open_ask(incident, ask_id)
            _refuse_its_author(incident, state, by)
            self._check_may_answer(incident, state, by, reason, yes=yes)
            _check_choice(state, choice, yes=yes)
            if state.ask.kind is AskKind.FALSE_ALARM and yes and (incident.blocks_ending or incident.unfinished):
                raise NotAllowed(
                    f"{incident_id} is no longer a false alarm: an action was carried out meanwhile.",
                    f"Undo it first, or answer no: allclear show {incident_id}.",
                )
            answered = AskAnswered(ask=ask_id, yes=yes, reason=reason.strip(), choice=choice)
            if state.ask.asks_fact and yes and choice:
                known = {state.ask.step: choice}
                return [answered, *self._assessments.found(incident, known, reason or f"Answered: {ask_id}.")]
            later = [] if yes else self._still_to_do(incident, state.ask, by)
            return [answered, *_consequences(incident, state.ask, yes=yes, by=by, reason=reason), *later]

        key = f"resume:{ask_id}:{person_key(by.actor)}:{yes}"
        message = OutboxMessage(OutboxKind.RESUME, incident_id, key, {"ask": ask_id})
        outbox = [message]
        if (asked := self._writer.read(incident_id).asks.get(ask_id)) and asked.ask.asks_fact and yes and choice:
            outbox += self._assessments.restarts(incident_id, {asked.ask.step: choice})
        self._writer.append(incident_id, by, decide, outbox=outbox)
        incident = self._writer.read(incident_id)
        state = incident.asks[ask_id]
        if state.open:
            return f"Your yes is recorded. {self._missing(state)}"
        if yes and state.ask.kind is AskKind.APPROVAL:
            return f"Approved: {ask_id}. The change begins now, and is verified after it."
        word = state.ask.words[0 if yes else 1]
        return f"{word.capitalize()}: {ask_id}. {state.ask.yes if yes else self._what_no_means(incident, state.ask)}"

    def _what_no_means(self, incident: Incident, ask: Ask) -> str:
        """Return what follows from a no; of a step with the steps that are left out by the facts of now."""
        if ask.kind is not AskKind.STEP or ask.contains or ask.ends:
            return ask.no
        return not_done(self._steps.left_out_without(incident, ask.phase, ask.step))

    def _still_to_do(self, incident: Incident, ask: Ask, by: By) -> list[FollowUpAdded]:
        """Return a follow-up if steps depend on one that was answered "not done"; otherwise nothing.

        No question asks for these steps again. Without the follow-up they would be forgotten.
        """
        left_out = self._steps.left_out_without(incident, ask.phase, ask.step) if ask.kind is AskKind.STEP else []
        if not left_out:
            return []
        text = f"Still to do: {ask.title}. After it: {'; '.join(left_out)}."
        return [FollowUpAdded(text=text, owner=by.actor, due=self._clock() + timedelta(days=DUE_DAYS))]

    def question(self, ask_id: str) -> AskState:
        """Return the question with that id, open or closed. Raises NotFound, which says what is asked now."""
        incident = self._writer.read(ask_id.partition("/")[0])
        if ask_id not in incident.asks:
            raise NotFound(f"{ask_id} was never asked.", asked_now(incident, self._company.plan))
        return incident.asks[ask_id]

    def decision(self, text: str) -> Decision:
        """Return the decision that a form's text names, as `approve: VS-12/contain/roll-back`.

        Raises NotFound for an unknown question, NotAllowed for a word that does not answer it.
        """
        return decision_named(self.question(named_ask(text)).ask, text)

    def _open_ask(self, incident: Incident, ask_id: str) -> AskState:
        """Return the open question. Raises NotFound or NotAllowed, which say what is asked now."""
        state = incident.asks.get(ask_id)
        if state is None:
            raise NotFound(f"{ask_id} was never asked.", asked_now(incident, self._company.plan))
        if not state.open:
            because = closed_because(state, self._company.plan.zone)
            problem = f"{ask_id} ({plain(state.ask.title).rstrip('. ')}) is closed: {because}."
            raise WrongState(f"Your answer does not count. {problem}", asked_now(incident, self._company.plan))
        if not is_still_asked(incident, state):
            raise WrongState(
                f"Your answer does not count: {incident.id} has ended.", asked_now(incident, self._company.plan)
            )
        for gone in questions_to_withdraw(incident, self._company.plan, self._company.runbook(incident.opened.runbook)):
            if gone.ask == ask_id:  # it is withdrawn when the responder or a flow makes its next move
                problem = f"{ask_id} ({plain(state.ask.title).rstrip('. ')}) is no longer asked: {gone.reason}."
                raise WrongState(f"Your answer does not count. {problem}", f"Read on: allclear show {incident.id}.")
        return state

    def _in_a_role_that_may(self, ask_id: str, by: By) -> By:
        """Return the person in a role that may answer, whichever was given: the one who leads answers as the lead."""
        incident = self._writer.read(ask_id.partition("/")[0])
        if (state := incident.asks.get(ask_id)) is None:
            return by
        policy, plan = state.ask.policy, self._company.plan
        if by.role in policy.one_of:
            return by
        first = acting_as(plan, incident, by, policy.one_of)
        return first if first.role in policy.one_of else acting_as(plan, incident, by, policy.roles)

    def _missing(self, state: AskState) -> str:
        """Return how many more people must say yes, and which role must be among them, in a sentence."""
        policy, answers = state.ask.policy, state.answers
        more = max(policy.people - len({person_key(answer.by.actor) for answer in answers}), 1)
        who, needed = "One more person" if more == 1 else f"{more} more people", ""
        if policy.one_of and not any(answer.by.role in policy.one_of for answer in answers):
            roles = " or ".join(self._company.plan.role_title(role) for role in policy.one_of)
            needed = f": {roles}" if more == 1 else f"; one of them must be {roles}"
        return f"{who} must approve {state.ask.id}{needed}."

    def _check_may_answer(self, incident: Incident, state: AskState, by: By, reason: str, *, yes: bool) -> None:
        policy, plan = state.ask.policy, self._company.plan
        # A role that is only in `one_of` may answer too. Otherwise an approval that needs it could never be granted.
        if not plan.may_act_for(by.role or "", policy.roles) and by.role not in policy.one_of:
            roles = " or ".join(plan.role_title(role) for role in dict.fromkeys([*policy.roles, *policy.one_of]))
            own = plan_role_for(plan, by.actor, [*policy.roles, *policy.one_of]) if by.person else ""
            raise NotAllowed(
                f"{state.ask.id} is for {roles}, not for {plan.role_title(by.role or '')}.",
                f"Answer in the role that the plan gives you: --role {own}." if own else "Ask one of them.",
            )
        if by.via == "prefect" and yes and not policy.prefect_may:
            raise NotAllowed(
                f"{state.ask.id} cannot be approved in Prefect, because Prefect does not know who you are.",
                "Answer on the incident's page, or on the command line: "
                f"{with_proof(answer_commands(state.ask, plan)[0], policy)}",
            )
        if yes and policy.needs_proof and not is_proven(incident, by):
            raise NotAllowed(
                f"{state.ask.id} needs proof of who approves, and your name is only claimed.",
                f"Open your personal link to {state.ask.id.partition('/')[0]}, or use your token: ALLCLEAR_TOKEN.",
            )
        before = [answer for answer in state.answers if answer.yes and answer.by.proof is Proof.PAGE_LINK]
        if yes and policy.people > 1 and by.proof is Proof.PAGE_LINK and before:
            raise NotAllowed(
                f"{before[0].by.actor} has approved {state.ask.id} by the link in a page, and so would you. Everyone "
                "who can read the pages in the pager can open both links, so that only one of them counts.",
                "Sign in otherwise: with your token (ALLCLEAR_TOKEN), through Slack or the identity proxy, or by a "
                f"link of your own: allclear link {state.ask.id.partition('/')[0]}.",
            )
        same = [answer for answer in state.answers if person_key(answer.by.actor) == person_key(by.actor)]
        if same and yes:  # a person who said yes may still change it to no
            raise WrongState(f"{by.actor} has answered {state.ask.id} already.", "Another person must answer too.")
        if state.ask.reason_needed(yes=yes) and is_blank(reason):
            raise MissingText(f"{state.ask.id} needs a reason.", 'Give one (on the command line: --reason "…").')


def _refuse_its_author(incident: Incident, state: AskState, by: By) -> None:
    """Raise NotAllowed if the name is that of the program that proposed the act, typed where names are only claimed."""
    act = incident.acts.get(state.ask.act or "")
    if act and act.by.program and person_key(act.by.actor) == person_key(by.actor):
        raise NotAllowed(
            f"{plain(by.actor, 60)} is the program that proposed this, and only a person may answer.", "Ask a person."
        )


def _check_choice(state: AskState, choice: str | None, *, yes: bool) -> None:
    ask, names = state.ask, [candidate.name for candidate in state.ask.choices]
    if ask.kind is not AskKind.CHOICE or not yes:
        if choice is not None:
            raise NotAllowed(f"{ask.id} is not about a choice.", "Answer it without one.")
    elif choice not in names and not (ask.typed and choice and not is_blank(choice)):
        problem = f"{choice} is none of the candidates" if choice else "Nothing was chosen"
        which = f"Type: {ask.typed}" if ask.typed else f"Choose one: {', '.join(names)}"
        raise NotAllowed(f"{problem}.", f"{which.rstrip('.')}. {answer_commands(ask)[0]}")
    elif state.chosen not in {None, choice}:  # the two people that are needed must want the same
        raise NotAllowed(
            f"{state.answers[-1].by.actor} chose {state.chosen}, not {choice}.",
            'Agree on one, or answer "none of them": then nothing is done.',
        )


def _consequences(incident: Incident, ask: Ask, *, yes: bool, by: By, reason: str) -> list[Any]:
    """Return the records that follow from an answer at once: the result of a person's step, or a rejected act."""
    if ask.kind is AskKind.STEP:
        verdict = Verdict.SUCCESS if yes else Verdict.INCONCLUSIVE
        word = ("Confirmed" if yes else "Not confirmed") if ask.contains else ("Done" if yes else "Not done")
        finding = Finding(verdict=verdict, sentence=f"{word} by {by.actor}: {reason.strip()}")
        proves = "containment" if ask.contains else None
        done = StepDone(phase=ask.phase, step=ask.step, title=ask.title, finding=finding, proves=proves)
        contained = ask.contains and yes and incident.containment.current is None
        return [done, Contained(by=f"{by.actor} confirmed it", finding=finding)] if contained else [done]
    if ask.kind is AskKind.APPROVAL and not yes and ask.act:
        sentence = f"{by.actor} said no{': ' + reason.strip() if reason.strip() else ''}."
        outcome = Outcome(status=ActStatus.REJECTED, changed=False, sentence=sentence)
        return [ActFinished(act=ask.act, outcome=outcome)]
    return []
