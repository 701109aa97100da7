import { isClosed } from "../src/shared/federated/run-state.ts";
import { isobarError, type IsobarError } from "../src/shared/http/errors.ts";
import { err, ok, type Result } from "../src/shared/result.ts";
import type { Seconds } from "../src/shared/units.ts";
import { clock, type RunContext } from "./run.context.ts";
import { unknownClient } from "./run.errors.ts";
import type { RunFlush } from "./run.flush.ts";
import type { ClientKey, NewClient, NewInvitation, Shown } from "./run.messages.ts";
import { nonceFault } from "./run.nonces.ts";
import { shownInvitation, shownMember } from "./run.show.ts";

/** Who may take part in a run. */
export class RunMembership {
	readonly #context: RunContext;
	readonly #flush: RunFlush;

	constructor(context: RunContext, flush: RunFlush) {
		this.#context = context;
		this.#flush = flush;
	}

	invite({ tokenHash, ...input }: NewInvitation): Shown {
		const now = clock();
		const invitation = { ...input, id: randomId("in_", 12), used: 0, createdAt: now };
		this.#context.transact(() => this.#context.members.addInvitation(invitation, tokenHash));
		return shownInvitation(invitation);
	}

	invitations(): Shown {
		return { object: "list", data: this.#context.members.invitations().map(shownInvitation) };
	}

	endInvitation(id: string): Result<Shown, IsobarError> {
		const existed = this.#context.transact(() => this.#context.members.removeInvitation(id));
		if (existed) return ok({ object: "invitation", id, state: "ended" });
		return err(isobarError("not_found", `There is no invitation ${id}`, { param: "invitation" }));
	}

	/** The same key is the same client, and uses no invitation twice. */
	join(client: NewClient): Result<{ readonly isNew: boolean; readonly client: Shown }, IsobarError> {
		const { store, members, specification } = this.#context;
		const now = clock();
		return this.#context.transact(() => {
			const known = members.memberByKey(client.publicKey);
			if (known?.state === "expelled") return err(isobarError("client_expelled", "This key's client was expelled"));
			if (known) {
				const fault = nonceFault(members, client.publicKey, client, now);
				if (fault) return err(fault);
				return ok({ isNew: false, client: { ...shownMember(known), run: this.#context.facts.id } });
			}
			const invitation = members.invitation(client.tokenHash);
			if (!invitation) return err(isobarError("invitation_invalid", "This is no invitation to this run"));
			if (invitation.expiresAt < now) return err(isobarError("invitation_expired", "The invitation has expired"));
			if (invitation.used >= invitation.uses) {
				const message = `The invitation was good for ${invitation.uses} clients, and they have joined`;
				return err(isobarError("invitation_used", message, { details: { limit: invitation.uses } }));
			}
			if (isClosed(store.run())) return err(isobarError("run_state", "The run has ended"));
			const limit = specification.limits.clients_max;
			if (members.count() >= limit) {
				return err(isobarError("clients_full", `The run takes ${limit} clients`, { details: { limit } }));
			}
			// A stranger without an invitation leaves nothing here.
			const fault = nonceFault(members, client.publicKey, client, now);
			if (fault) return err(fault);
			const id = randomId("cl_", 12);
			members.use(invitation.id);
			members.add(id, client.publicKey, client.name, invitation, now);
			this.#context.note("client_joined", { client: id, name: client.name }, now);
			return ok({ isNew: true, client: { ...shownMember(members.member(id)!), run: this.#context.facts.id } });
		});
	}

	client(client: string): ClientKey | null {
		const member = this.#context.members.member(client);
		return member && { client, publicKey: member.publicKey, isExpelled: member.state === "expelled" };
	}

	clients(after: string, limit: number): Shown {
		const rows = this.#context.members.members(after, limit + 1);
		return { object: "list", data: rows.slice(0, limit).map(shownMember), has_more: rows.length > limit };
	}

	/** Shuts a client out, from the round in progress too: what it has pending is left out of the sum. What a version is being made of
	 *  is decided, and stays. */
	async expel(client: string): Promise<Result<Shown, IsobarError>> {
		const { store, members, updates } = this.#context;
		const now = clock();
		const found = this.#context.transact(() => {
			const member = members.member(client);
			if (!member) return null;
			const { round } = store.run();
			for (const update of updates.pendingOf(client)) {
				if (update.answer.status === "pending" && update.answer.round === round) {
					this.#flush.refuse(update, "expelled", now);
				}
			}
			if (member.state === "expelled") return member;
			members.expel(client);
			const task = updates.taskOf(client);
			if (task) {
				updates.addRefused(task, "expelled", now);
				updates.endTask(task.id);
				store.addRelease(task.id);
			}
			this.#context.note("client_expelled", { client }, now);
			this.#flush.settle(now);
			return members.member(client);
		});
		if (!found) return err({ ...unknownClient(client), code: "not_found" });
		// The client's own waiting ends, and its socket; its place may be another's.
		this.#context.wakeWork();
		await this.#flush.goOn();
		return ok(shownMember(found));
	}

	makeTicket(client: string, ticketHash: string, expiresAt: Seconds): Result<null, IsobarError> {
		const { members } = this.#context;
		if (!members.member(client)) return err(unknownClient(client));
		this.#context.transact(() => members.addTicket(ticketHash, client, expiresAt, clock()));
		return ok(null);
	}
}

/** A name that nobody guesses, from so many random bytes. */
function randomId(prefix: string, bytes: number): string {
	const random = crypto.getRandomValues(new Uint8Array(bytes));
	return prefix + Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
