/** Profiles of the hub's configuration. */
export const profile = {
  'profile.change': 'Start {name} with another profile',
  'profile.gone': 'Its profile, {profile}, is not offered any longer. Choose another one.',
  'profile.label': 'Server profile'
} as const;
