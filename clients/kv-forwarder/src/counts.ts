/** What a forwarder has done since its start. Frames, except where it says otherwise. */
export interface Counts {
	received: number;
	/** The gateway has dealt with them; replayed ones are among them. */
	sent: number;
	replayed: number;
	/** Times that the gateway found frames missing. */
	gaps: number;
	/** Times that the gateway forgot what it knew. */
	resets: number;
	/** The gateway could not read them, or they are larger than a request may be. */
	rejected: number;
	/** Requests sent again. */
	retries: number;
}

export type Log = (event: string, facts: Readonly<Record<string, unknown>>) => void;
