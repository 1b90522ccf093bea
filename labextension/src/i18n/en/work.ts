/** Training, models, services, money and notebooks. */
export const work = {
  'work.unsaved': 'Not saved'
} as const;
