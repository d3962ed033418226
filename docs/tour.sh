# Where the cluster is, and who calls: the root of the account that `grantd dev` made. Accounts are the operator's.
export PATH="$PWD/target/release:$PATH"
export GRANTD_ENDPOINT=127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402
export GRANTD_REGION=us-west-2
export GRANTD_AS=arn:aws:iam::111122223333:root
grantd account create 444455556666 --as operator
grantd identity create arn:aws:iam::111122223333:user/KMSUser arn:aws:iam::111122223333:user/KMSAdminUser
grantd identity create arn:aws:iam::111122223333:role/KMSRole arn:aws:iam::111122223333:role/KMSAdminRole

# A key under a policy from AWS's documentation, and an alias for it.
KEY=$(grantd key create --description tour --policy tests/examples/key-consolepolicy-2.json --print KeyMetadata.Arn)
grantd alias create alias/tour "$KEY"

# A user of the key may decrypt with it, and may not change its policy (exit code 1: denied). The administrator: the reverse.
grantd authorize --principal arn:aws:iam::111122223333:user/KMSUser --action kms:Decrypt --key alias/tour
grantd authorize --principal arn:aws:iam::111122223333:user/KMSUser --action kms:PutKeyPolicy --key "$KEY" # exit 1
grantd authorize --principal arn:aws:iam::111122223333:user/KMSAdminUser --action kms:PutKeyPolicy --key "$KEY"
grantd authorize --principal arn:aws:iam::111122223333:user/KMSAdminUser --action kms:Decrypt --key alias/tour # exit 1

# A role of another account may use the key only once a policy of its own allows it too.
grantd identity create arn:aws:iam::444455556666:role/Partner --as arn:aws:iam::444455556666:root
grantd authorize --principal arn:aws:sts::444455556666:assumed-role/Partner/tour --action kms:Encrypt --key "$KEY" # exit 1
grantd identity put-policy arn:aws:iam::444455556666:role/Partner UseKey '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}]}' --as arn:aws:iam::444455556666:root
grantd authorize --principal arn:aws:sts::444455556666:assumed-role/Partner/tour --action kms:Encrypt --key "$KEY"

# A grant: allowed from the moment its token is in hand, denied once it is revoked.
grantd identity create arn:aws:iam::111122223333:user/Worker
grantd authorize --principal arn:aws:iam::111122223333:user/Worker --action kms:Decrypt --key "$KEY" # exit 1
TOKEN=$(grantd grant create "$KEY" --grantee arn:aws:iam::111122223333:user/Worker --operations Decrypt --print GrantToken)
grantd authorize --principal arn:aws:iam::111122223333:user/Worker --action kms:Decrypt --key "$KEY" --grant-token "$TOKEN"
GRANT=$(grantd grant list "$KEY" --print Grants.0.GrantId)
grantd grant revoke "$KEY" "$GRANT"
grantd authorize --principal arn:aws:iam::111122223333:user/Worker --action kms:Decrypt --key "$KEY" --grant-token "$TOKEN" # exit 1

# A policy that is wrong is refused with its line, its column and a way to mend it (exit code 2: wrong).
grantd policy check tests/examples/identity-policy-tag-as-published.json --kind identity # exit 2

# What is legal but surprising is told, too (exit code 1: warnings): here, that the Deny also meets requests without an alias.
grantd policy lint tests/examples/identity-policy-alias-deny.json # exit 1

# The nodes: who leads, what each has applied, and how old its state may be.
grantd cluster status --as operator
