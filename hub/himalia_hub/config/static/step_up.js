'use strict';
// Sends the password to the hub and hands the grant to the panel that opened this window.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const form = document.getElementById('form');
  const problem = document.getElementById('problem');
  const say = sentence => {
    problem.textContent = sentence;
    problem.hidden = !sentence;
  };
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const password = document.getElementById('password');
    const repeat = document.getElementById('repeat');
    const code = document.getElementById('code');
    if (repeat && repeat.value !== password.value) {
      return say(data.texts['link.differ']);
    }
    say('');
    const button = form.querySelector('button');
    button.disabled = true;
    try {
      const answer = await fetch('/hub/himalia/step-up', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-XSRFToken': form.dataset.xsrf },
        body: JSON.stringify({
          password: password.value,
          new: !data.passwordSet,
          ...(code && code.value && !password.value ? { method: 'totp', code: code.value } : {})
        })
      });
      const body = await answer.json();
      if (!answer.ok) {
        password.select();
        return say([body.detail, body.hint].filter(Boolean).join(' '));
      }
      data.passwordSet = true;
      if (!window.opener) {
        return say(data.texts['step_up.no_opener']);
      }
      window.opener.postMessage(
        { type: 'himalia-step-up', grant: body.grant, until: body.until },
        data.origin
      );
      form.hidden = true;
      document.querySelector('.narrow p').textContent = data.texts['step_up.done'];
      window.close();
    } catch {
      say(data.texts['error.lost']);
    } finally {
      button.disabled = false;
    }
  });
})();
