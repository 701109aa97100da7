import type { LocalIsobar } from "../../scripts/local.ts";

/** Where Isobar runs at the moment. */
export class Place {
	isobar: LocalIsobar;
	onMove: (url: string) => void = () => {};
	readonly #start: () => Promise<LocalIsobar>;

	constructor(isobar: LocalIsobar, start: () => Promise<LocalIsobar>) {
		this.isobar = isobar;
		this.#start = start;
	}

	async killAndStart(): Promise<void> {
		await this.isobar.kill();
		this.isobar = await this.#start();
		this.onMove(this.isobar.url);
	}
}

/** Kills when a step of some kind has begun for a certain time, which the seed has chosen, and so long after. */
export class Killer<Step extends string> {
	readonly kills: string[] = [];
	readonly #place: Place;
	readonly #random: () => number;
	/** For each kind, at which of its steps, and within how many milliseconds. */
	readonly #at: Readonly<Record<Step, { readonly step: number; readonly withinMs: number }>>;
	/** Unix seconds. */
	readonly killedAt: number[] = [];
	readonly #seen = new Map<Step, number>();
	#killing: Promise<void> = Promise.resolve();

	constructor(
		place: Place,
		random: () => number,
		at: Readonly<Record<Step, { readonly step: number; readonly withinMs: number }>>,
	) {
		this.#place = place;
		this.#random = random;
		this.#at = at;
	}

	at(step: Step): void {
		const seen = (this.#seen.get(step) ?? 0) + 1;
		this.#seen.set(step, seen);
		if (seen !== this.#at[step].step) return;
		const delay = this.#random() * this.#at[step].withinMs;
		this.kills.push(`${step} ${seen} + ${delay.toFixed(0)} ms`);
		this.#killing = this.#kill(this.#killing, delay);
	}

	async #kill(before: Promise<void>, delay: number): Promise<void> {
		await before;
		await new Promise((resolve) => setTimeout(resolve, delay));
		this.killedAt.push(Date.now() / 1_000);
		await this.#place.killAndStart();
	}

	idle(): Promise<void> {
		return this.#killing;
	}
}
