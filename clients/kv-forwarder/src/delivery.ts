import type { Counts, Log } from "./counts.ts";
import type { Frame } from "./frame.ts";
import type { Answer, Gateway } from "./gateway.ts";

export type Taken = Extract<Answer, { kind: "taken" }>;

export interface DeliveryOptions {
	readonly backOffSeconds: { readonly first: number; readonly max: number };
	readonly log: Log;
	/** Between 0 and 1: spreads the back-off of many forwarders. */
	readonly random: () => number;
}

/** Sends frames until the gateway has taken them. */
export class Delivery {
	readonly #gateway: Gateway;
	readonly #options: DeliveryOptions;
	readonly #counts: Counts;
	#endsAt = Infinity;
	#wake: () => void = () => {};
	/** The last frame of a request was left out. */
	#lostAfter = false;

	constructor(gateway: Gateway, counts: Counts, options: DeliveryOptions) {
		this.#gateway = gateway;
		this.#counts = counts;
		this.#options = options;
	}

	get isOver(): boolean {
		return performance.now() >= this.#endsAt;
	}

	/** Gives up at this moment (`performance.now`). */
	endAt(at: number): void {
		this.#endsAt = at;
		this.#wake();
	}

	/** Whether frames before the next are lost, told once. */
	takeLost(): boolean {
		const lost = this.#lostAfter;
		this.#lostAfter = false;
		return lost;
	}

	/** Sends frames for as long as it takes, leaving out those that cannot be read; null when it had to give up. */
	async send(given: readonly Frame[]): Promise<Taken | null> {
		const { first, max } = this.#options.backOffSeconds;
		let frames = given;
		let pause = first;
		while (!this.isOver) {
			const answer = await this.#gateway.send(frames);
			switch (answer.kind) {
				case "taken":
					this.#counts.sent += answer.used;
					this.#counts.resets += answer.resets;
					if (answer.resets > 0) this.#options.log("reset", { next: answer.next });
					return answer;
				case "bad_frame":
					frames = this.#without(frames, answer.index, answer.reason);
					break;
				case "too_large":
					if (frames.length > 1) return this.#inHalves(frames);
					frames = this.#without(frames, 0, "larger than a request may be");
					break;
				case "later":
					this.#counts.retries++;
					if (answer.isRefusal) pause = max;
					this.#options.log("later", { reason: answer.reason, seconds: pause });
					await this.#sleep(pause * (0.5 + 0.5 * this.#options.random()));
					pause = Math.min(2 * pause, max);
			}
		}
		return null;
	}

	async #inHalves(frames: readonly Frame[]): Promise<Taken | null> {
		const half = Math.ceil(frames.length / 2);
		const first = await this.send(frames.slice(0, half));
		if (first === null || first.replayFrom !== null) return first;
		const [next, ...others] = frames.slice(half);
		const second = await this.send(next && this.takeLost() ? [{ ...next, lost: true }, ...others] : frames.slice(half));
		return second && { ...second, used: first.used + second.used };
	}

	/** What the frame left out has said is lost: the gateway begins anew with the one after it. */
	#without(frames: readonly Frame[], index: number, reason: string): Frame[] {
		this.#counts.rejected++;
		this.#options.log("rejected", { seq: frames[index]?.seq, reason });
		const [next, ...others] = frames.slice(index + 1);
		if (next) return [...frames.slice(0, index), { ...next, lost: true }, ...others];
		this.#lostAfter = true;
		return frames.slice(0, index);
	}

	async #sleep(seconds: number): Promise<void> {
		const left = Math.min(seconds * 1_000, this.#endsAt - performance.now());
		await new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, Math.max(0, left));
			this.#wake = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}
}
