import type { Member } from "../src/shared/federated/run.ts";
import { lossOrder } from "../src/shared/federated/task.ts";
import type { Seconds } from "../src/shared/units.ts";

/** Who asked for work within this is there. */
const LATELY_SECONDS: Seconds = 600;
/** How often it is noted that a client is still there. */
const NOTED_SECONDS: Seconds = 60;

export interface Invitation {
	readonly id: string;
	readonly label: string;
	readonly uses: number;
	readonly used: number;
	readonly weightCap: number | null;
	readonly createdAt: Seconds;
	readonly expiresAt: Seconds;
}

export interface StoredMember extends Member {
	/** Base64url of its 32 bytes. */
	readonly publicKey: string;
	readonly name: string;
	readonly joinedAt: Seconds;
	readonly askedAt: Seconds;
	readonly tasks: number;
	readonly accepted: number;
	readonly refused: number;
	readonly examples: number;
}

type InvitationRow = {
	id: string;
	label: string;
	uses: number;
	used: number;
	weight_cap: number | null;
	created_at: number;
	expires_at: number;
};
type MemberRow = {
	client: string;
	public_key: string;
	name: string;
	joined_at: number;
	state: "active" | "expelled";
	weight_cap: number | null;
	weight: number | null;
	loss: number | null;
	turnaround: number | null;
	turnarounds: number;
	asked_at: number;
	tasks: number;
	accepted: number;
	refused: number;
	examples: number;
};

/** Who takes part in a run, by whose invitation, and which nonces they have used. */
export class RunMembersStore {
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	addInvitation({ id, label, uses, weightCap, createdAt, expiresAt }: Invitation, tokenHash: string): void {
		const sql = "INSERT INTO invitations VALUES (?, ?, ?, ?, 0, ?, ?, ?)";
		this.#sql.exec(sql, id, tokenHash, label, uses, weightCap, createdAt, expiresAt);
	}

	invitations(): readonly Invitation[] {
		return this.#sql.exec<InvitationRow>("SELECT * FROM invitations ORDER BY created_at, id").toArray().map(invitation);
	}

	invitation(tokenHash: string): Invitation | null {
		const [row] = this.#sql.exec<InvitationRow>("SELECT * FROM invitations WHERE token_hash = ?", tokenHash);
		return row ? invitation(row) : null;
	}

	use(invitation: string): void {
		this.#sql.exec("UPDATE invitations SET used = used + 1 WHERE id = ?", invitation);
	}

	/** Whether there was one. */
	removeInvitation(id: string): boolean {
		return this.#sql.exec("DELETE FROM invitations WHERE id = ? RETURNING id", id).toArray().length > 0;
	}

	add(client: string, publicKey: string, name: string, by: Invitation, now: Seconds): void {
		this.#sql.exec(
			`INSERT INTO members (client, public_key, name, invitation, joined_at, state, weight_cap, asked_at)
			 VALUES (?, ?, ?, ?, ?, 'active', ?, 0)`,
			client,
			publicKey,
			name,
			by.id,
			now,
			by.weightCap,
		);
	}

	member(client: string): StoredMember | null {
		const [row] = this.#sql.exec<MemberRow>("SELECT * FROM members WHERE client = ?", client);
		return row ? member(row) : null;
	}

	memberByKey(publicKey: string): StoredMember | null {
		const [row] = this.#sql.exec<MemberRow>("SELECT * FROM members WHERE public_key = ?", publicKey);
		return row ? member(row) : null;
	}

	/** In the order of their ids. */
	members(after: string, limit: number): readonly StoredMember[] {
		const sql = "SELECT * FROM members WHERE client > ? ORDER BY client LIMIT ?";
		return this.#sql.exec<MemberRow>(sql, after, limit).toArray().map(member);
	}

	count(): number {
		return this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM members").one().n;
	}

	expel(client: string): void {
		this.#sql.exec("UPDATE members SET state = 'expelled' WHERE client = ?", client);
	}

	/** What is new of a member after a commit. */
	put({ client, weight, loss, turnaround, turnarounds }: Member): void {
		const sql = "UPDATE members SET weight = ?, loss = ?, turnaround = ?, turnarounds = ? WHERE client = ?";
		this.#sql.exec(sql, weight, loss, turnaround, turnarounds, client);
	}

	countTask(client: string): void {
		this.#sql.exec("UPDATE members SET tasks = tasks + 1 WHERE client = ?", client);
	}

	countRefused(client: string): void {
		this.#sql.exec("UPDATE members SET refused = refused + 1 WHERE client = ?", client);
	}

	countAccepted(version: number): void {
		this.#sql.exec(
			`UPDATE members SET accepted = accepted + 1, examples = members.examples + updates.examples
			 FROM updates WHERE updates.version = ? AND updates.status = 'accepted' AND members.client = updates.client`,
			version,
		);
	}

	/** Notes that a client has asked for work, and with what loss. */
	noteAsked({ client, askedAt }: StoredMember, loss: number | null, now: Seconds): void {
		if (loss === null && now - askedAt < NOTED_SECONDS) return;
		const sql = "UPDATE members SET asked_at = ?, reported_loss = coalesce(?, reported_loss) WHERE client = ?";
		this.#sql.exec(sql, now, loss, client);
	}

	/** Active members who asked lately. */
	available(now: Seconds): number {
		const sql = "SELECT count(*) AS n FROM members WHERE state = 'active' AND asked_at > ?";
		return this.#sql.exec<{ n: number }>(sql, now - LATELY_SECONDS).one().n;
	}

	/** How many of those come before a client by loss, the highest first; of equal ones the lower id first. */
	lossRank(client: string, lossMax: number, now: Seconds): number {
		const sql = "SELECT coalesce(reported_loss, loss) AS loss FROM members WHERE client = ?";
		const own = lossOrder(this.#sql.exec<{ loss: number | null }>(sql, client).toArray()[0]?.loss ?? null, lossMax);
		// `lossOrder` of the others.
		const order = "min(?1, max(0, coalesce(reported_loss, loss, ?1)))";
		return this.#sql
			.exec<{ n: number }>(
				`SELECT count(*) AS n FROM members WHERE state = 'active' AND asked_at > ?2
				 AND (${order} > ?3 OR (${order} = ?3 AND client < ?4))`,
				lossMax,
				now - LATELY_SECONDS,
				own,
				client,
			)
			.one().n;
	}

	/** Sum of the weights that the members last committed with, in the order of their ids: always the same bits. */
	populationWeight(): number {
		const sql = "SELECT weight FROM members WHERE state = 'active' AND weight IS NOT NULL ORDER BY client";
		let sum = 0;
		for (const { weight } of this.#sql.exec<{ weight: number }>(sql)) sum += weight;
		return sum;
	}

	/** Whether a nonce is new; then it is not any more. */
	takeNonce(key: string, nonce: string, expiresAt: Seconds, now: Seconds): boolean {
		this.#sql.exec("DELETE FROM nonces WHERE expires_at < ?", now);
		const sql = "INSERT OR IGNORE INTO nonces VALUES (?, ?, ?) RETURNING nonce";
		return this.#sql.exec(sql, key, nonce, expiresAt).toArray().length > 0;
	}

	addTicket(ticketHash: string, client: string, expiresAt: Seconds, now: Seconds): void {
		this.#sql.exec("DELETE FROM tickets WHERE expires_at < ?", now);
		this.#sql.exec("INSERT INTO tickets VALUES (?, ?, ?)", ticketHash, client, expiresAt);
	}

	/** Whose ticket it is, once. */
	takeTicket(ticketHash: string, now: Seconds): string | null {
		const sql = "DELETE FROM tickets WHERE ticket_hash = ? RETURNING client, expires_at";
		const [row] = this.#sql.exec<{ client: string; expires_at: number }>(sql, ticketHash);
		return row && row.expires_at >= now ? row.client : null;
	}
}

function invitation({ weight_cap, created_at, expires_at, ...row }: InvitationRow): Invitation {
	const { id, label, uses, used } = row;
	return { id, label, uses, used, weightCap: weight_cap, createdAt: created_at, expiresAt: expires_at };
}

function member(row: MemberRow): StoredMember {
	const { client, name, state, weight, loss, turnaround, turnarounds, tasks, accepted, refused, examples } = row;
	return {
		client,
		publicKey: row.public_key,
		name,
		joinedAt: row.joined_at,
		state,
		weightCap: row.weight_cap,
		weight,
		loss,
		turnaround,
		turnarounds,
		askedAt: row.asked_at,
		tasks,
		accepted,
		refused,
		examples,
	};
}
